"""Times, time limits, memory and ranges, as Slurm reads and writes them."""

from __future__ import annotations

import os
import re
import time

MINUTE, HOUR, DAY = 60, 3600, 86400
UNITS = {"second": 1, "minute": MINUTE, "hour": HOUR, "day": DAY, "week": 7 * DAY}
DATES = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d")


def moment(seconds: float | None, none: str) -> str:
    """A point in time as ``SLURM_TIME_FORMAT`` wants it; `none` where there is none."""
    if seconds is None:
        return none
    wanted = os.environ.get("SLURM_TIME_FORMAT") or "standard"
    if wanted == "%s":
        return str(int(seconds))
    return time.strftime(DATES[0] if wanted == "standard" else wanted, time.localtime(seconds))


def elapsed(seconds: float) -> str:
    """As squeue writes it.

    >>> elapsed(3), elapsed(3723), elapsed(90061)
    ('0:03', '1:02:03', '1-01:01:01')
    """
    days, rest = divmod(max(0, int(seconds)), DAY)
    hours, rest = divmod(rest, HOUR)
    text = f"{rest // MINUTE:02}:{rest % MINUTE:02}"
    if days:
        return f"{days}-{hours:02}:{text}"
    return f"{hours}:{text}" if hours else f"{rest // MINUTE}:{rest % MINUTE:02}"


def long_elapsed(seconds: float) -> str:
    """As sacct and scontrol write it.

    >>> long_elapsed(3), long_elapsed(90061)
    ('00:00:03', '1-01:01:01')
    """
    days, rest = divmod(max(0, int(seconds)), DAY)
    text = f"{rest // HOUR:02}:{rest % HOUR // MINUTE:02}:{rest % MINUTE:02}"
    return f"{days}-{text}" if days else text


def minutes_of(text: str) -> int:
    """A time limit in minutes, rounded up; 0 for none. Raises ValueError.

    >>> minutes_of("90:30"), minutes_of("1-0"), minutes_of("2:0:0"), minutes_of("UNLIMITED")
    (91, 1440, 120, 0)
    """
    if text.lower() in ("unlimited", "infinite", "-1"):
        return 0
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text)
    if match is None:
        raise ValueError(text)
    days, *rest = match.groups()
    numbers = [int(part) for part in rest if part is not None]
    if days is not None:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:
        hours, (minutes, seconds) = 0, [*numbers, 0][:2]
    total = int(days or 0) * DAY + hours * HOUR + minutes * MINUTE + seconds
    return -(-total // MINUTE)


def time_of(text: str, now: float) -> float:
    """A point in time that a user gives: ``now-2days``, or a date. Raises ValueError.

    >>> time_of("now-2days", 200000.0), time_of("now+30", 5.0), time_of("now", 5.0)
    (27200.0, 35.0, 5.0)
    """
    match = re.fullmatch(r"now(?:([+-])(\d+)([a-z]*))?", text)
    if match is not None:
        sign, count, unit = match.groups()
        if sign is None:
            return now
        seconds = UNITS.get(unit.rstrip("s"), 0 if unit else 1)
        if not seconds:
            raise ValueError(text)
        return now + (1 if sign == "+" else -1) * int(count) * seconds
    for date in DATES:
        try:
            return time.mktime(time.strptime(text, date))
        except ValueError:
            continue
    raise ValueError(text)


def megabytes(text: str) -> int:
    """Memory in MB. Raises ValueError.

    >>> megabytes("100"), megabytes("2G"), megabytes("900T")
    (100, 2048, 943718400)
    """
    match = re.fullmatch(r"(\d+)([KMGT]?)B?", text.upper())
    if match is None:
        raise ValueError(text)
    number, unit = int(match.group(1)), match.group(2) or "M"
    if unit == "K":
        return -(-number // 1024)
    return int(number * 1024 ** "MGT".index(unit))


def memory_text(size: int) -> str:
    """Memory as squeue shows it.

    >>> memory_text(64), memory_text(2048), memory_text(1536)
    ('64M', '2G', '1536M')
    """
    return f"{size // 1024}G" if size and size % 1024 == 0 else f"{size}M"


def ranges(numbers: list[int]) -> str:
    """Numbers as Slurm names the tasks of an array.

    >>> ranges([1, 2, 3, 7, 8, 10]), ranges([0, 5])
    ('1-3,7-8,10', '0,5')
    """
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def numbers_of(text: str) -> list[int]:
    """The numbers that ranges name. Raises ValueError.

    >>> numbers_of("0-20:5,30"), numbers_of("1,1")
    ([0, 5, 10, 15, 20, 30], [1])
    """
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part)
        if match is None:
            raise ValueError(text)
        first = int(match.group(1))
        last = int(match.group(2) or first)
        step = int(match.group(3) or 1)
        if last < first or step < 1:
            raise ValueError(text)
        found.update(range(first, last + 1, step))
    return sorted(found)


def hosts(names: list[str]) -> str:
    """Names of nodes in few words.

    >>> hosts(["c1", "c2"]), hosts(["c1"]), hosts(["a", "b7"])
    ('c[1-2]', 'c1', 'a,b7')
    """
    by_stem: dict[str, list[int]] = {}
    others = []
    for name in names:
        match = re.fullmatch(r"(.*?)([1-9]\d*|0)", name)
        if match is None:
            others.append(name)
        else:
            by_stem.setdefault(match.group(1), []).append(int(match.group(2)))
    grouped = [
        f"{stem}{numbers[0]}" if len(numbers) == 1 else f"{stem}[{ranges(numbers)}]"
        for stem, numbers in by_stem.items()
    ]
    return ",".join(others + grouped)


def hosts_of(text: str) -> list[str]:
    """The nodes that few words name. Raises ValueError.

    >>> hosts_of("c[1-2,4],login")
    ['c1', 'c2', 'c4', 'login']
    """
    found: list[str] = []
    for stem, inside in re.findall(r"([^,\[\]]+)(?:\[([^\]]*)\])?", text):
        found += [f"{stem}{number}" for number in numbers_of(inside)] if inside else [stem]
    return found
