"""What there is of processes: from ``/proc`` on Linux, from ``ps`` elsewhere.

Asked only when a job is signalled or ended by force, or its supervisor was killed. Where there is
neither, nothing is known.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple

PROC = "/proc"


class Process(NamedTuple):
    """A process; `state` begins with Z when it is dead but not reaped, `age` is in seconds."""

    pid: int
    parent: int
    group: int
    state: str
    age: float


def descendants(ancestor: int) -> list[Process]:
    """All that descend from a process, without itself."""
    children: dict[int, list[Process]] = {}
    for process in _processes():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    unseen = [ancestor]
    while unseen:
        for child in children.pop(unseen.pop(), []):
            found.append(child)
            unseen.append(child.pid)
    return found


def any_alive(groups: set[int]) -> bool:
    """Whether a process is left in these groups; a dead one not yet reaped by init is none."""
    if not any(map(_group_exists, groups)):
        return False
    return any(one.group in groups and one.state[0] != "Z" for one in _processes())


def leader_age(group: int) -> float | None:
    """Seconds since the leader of a process group was started; None when it does not live."""
    for process in _processes():
        if process.pid == process.group == group:
            return process.age
    return None


def catches(pid: int, number: int) -> bool | None:
    """Whether a process has a handler for a signal; None where nobody can say."""
    try:
        lines = _read(str(pid), "status").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return None


def signal_group(group: int, number: int) -> None:
    """Signal a process group, if it is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _processes() -> Iterator[Process]:
    if os.path.exists(f"{PROC}/self/stat"):
        return _from_proc()
    return _from_ps()


def _from_proc() -> Iterator[Process]:
    uptime = float(_read("uptime").split()[0])
    ticks = os.sysconf("SC_CLK_TCK")
    for name in os.listdir(PROC):
        if not name.isdigit():
            continue
        try:
            text = _read(name, "stat")
        except OSError:  # it has just ended
            continue
        fields = text.rpartition(")")[2].split()  # a program's name may be anything
        age = uptime - int(fields[19]) / ticks
        yield Process(int(name), int(fields[1]), int(fields[2]), fields[0], age)


def _read(*names: str) -> str:
    with open("/".join((PROC, *names)), encoding="utf-8", errors="replace") as file:
        return file.read()


def _from_ps() -> Iterator[Process]:
    import subprocess

    # One -o each: POSIX takes all that follows a "=" for the header.
    columns = ("pid", "ppid", "pgid", "stat", "etime")
    arguments = [word for column in columns for word in ("-o", f"{column}=")]
    try:
        done = subprocess.run(
            ["ps", "-A", *arguments], capture_output=True, text=True, timeout=5, check=False
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return
    for line in done.stdout.splitlines():
        fields = line.split()
        if len(fields) == len(columns):
            pid, parent, group, state, elapsed = fields
            yield Process(int(pid), int(parent), int(group), state, _seconds(elapsed))


def _seconds(elapsed: str) -> float:
    days, _, clock = elapsed.rpartition("-")
    seconds = 0
    for part in clock.split(":"):
        seconds = seconds * 60 + int(part)
    return float(int(days or "0") * 86400 + seconds)
