"""What a job asked for and what it used, read from rows with ``sacct``'s field names. Pure.

The rows of one job are its own, named ``12`` or ``12_3``, and one for each of its steps: ``12.batch``,
``12.extern``, ``12.0``. Memory is known of steps only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from slurm.states import ENDED, ENDED_IF_IT_STAYS, JobState, parse_state

SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGTP]?)([nc]?)", re.IGNORECASE)
SIZE_UNITS = "KMGTP"
DURATION = re.compile(r"(?:([0-9]+)-)?(?:([0-9]+):)?([0-9]+):([0-9]+)(?:\.[0-9]+)?")
NO_NODES = ("", "None assigned", "(null)")
# Those of Linux, whatever the client runs on.
SIGNALS = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM".split()  # noqa: SIM905
# Slurm's own numbers for what kept a job from running, or ended it.
OUTPUT_FILE_FAILED, KILLED_FOR_MEMORY = 53, 125


@dataclass(frozen=True)
class Usage:
    """What a job used, as far as anybody knows.

    Attributes: `elapsed`, the seconds it ran; `max_rss`, the most memory in bytes that one task of
    one of its steps was seen to use; `nodes`, where it ran, as Slurm writes it; `cpu_time`, the seconds for which processors
    were busy with it. None and the empty text stand for what is not known.

    >>> Usage(elapsed=192, max_rss=1020 * 2**20, nodes="c1").in_words()
    'ran 00:03:12 on c1 and used at most 1020M'
    """

    elapsed: int | None = None
    max_rss: int | None = None
    nodes: str = ""
    cpu_time: float | None = None

    def in_words(self) -> str:
        """All that is known, in half a sentence."""
        if not (self.elapsed or self.max_rss or self.nodes):
            return "had not started" if self.elapsed == 0 else ""
        ran = "ran" if self.elapsed is None else f"ran {format_duration(self.elapsed)}"
        where = f" on {self.nodes}" if self.nodes else ""
        used = f" and used at most {format_size(self.max_rss)}" if self.max_rss else ""
        return f"{ran}{where}{used}"


@dataclass(frozen=True)
class Account:
    """What the scheduler has on record of one job.

    `requested` has sbatch's option names, for options the site may have filled in; `state` is in
    the record's own words (``CANCELLED by 1000``); `settled` says that nothing will be added. `cpus` are those it had,
    `memory` the bytes that it asked for, `tasks` how many tasks its largest step had.
    """

    usage: Usage = Usage()
    requested: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    exit_code: str = ""
    out_of_memory: bool = False
    settled: bool = False
    cpus: int | None = None
    memory: int | None = None
    tasks: int = 1


def read_accounts(rows: Iterable[Mapping[str, str]]) -> dict[str, Account]:
    """The account of every job that `rows` are about, by its id."""
    jobs: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        jobs.setdefault(row["JobID"].partition(".")[0], []).append(row)
    return {job_id: _account(job_id, of) for job_id, of in jobs.items()}


def _account(job_id: str, rows: list[Mapping[str, str]]) -> Account:
    own = next((row for row in rows if row["JobID"] == job_id), rows[0])
    sizes = [size for row in rows if (size := parse_size(row.get("MaxRSS", ""))) is not None]
    asked = parse_size(own.get("ReqMem", ""), cpus=own.get("ReqCPUS", ""))
    peak = max(sizes, default=None)
    killed = any(row.get("ExitCode", "").endswith(":9") for row in rows)
    over = killed and bool(asked and peak and peak > asked)
    nodes = own.get("NodeList", "")
    return Account(
        usage=Usage(_elapsed(own), peak, "" if nodes in NO_NODES else nodes, _cpu_time(own)),
        requested=_requested(own),
        state=own.get("State", ""),
        exit_code=own.get("ExitCode", ""),
        out_of_memory=over or any(_state(row) is JobState.OUT_OF_MEMORY for row in rows),
        settled=own.get("Source") != "sacct" or _is_whole(own, rows),
        cpus=_count(own.get("AllocCPUS", "")),
        memory=asked,
        tasks=max((_count(row.get("NTasks", "")) or 1 for row in rows), default=1),
    )


def _is_whole(own: Mapping[str, str], rows: Iterable[Mapping[str, str]]) -> bool:
    """Whether all is written: of a short job, Slurm 22.05 may tell the end before the beginning."""
    ended = all(_state(row) in ENDED | ENDED_IF_IT_STAYS for row in rows)
    return ended and own.get("Partition", "") != ""


def _state(row: Mapping[str, str]) -> JobState:
    return parse_state(row.get("State", ""))


def _count(text: str) -> int | None:
    return int(text) if text.isdigit() and int(text) else None


def _cpu_time(row: Mapping[str, str]) -> float | None:
    """The seconds of ``TotalCPU``, with thousandths where there are any; of a job that goes on Slurm has zero there."""
    text = row.get("TotalCPU", "")
    whole, fraction = parse_duration(text), text.partition(".")[2]
    if not whole and not fraction.strip("0"):
        return None
    return (whole or 0) + (float(f"0.{fraction}") if fraction.isdigit() else 0.0)


def _elapsed(row: Mapping[str, str]) -> int | None:
    raw = row.get("ElapsedRaw", "")
    return int(raw) if raw.isdigit() else parse_duration(row.get("Elapsed", ""))


def _requested(row: Mapping[str, str]) -> dict[str, str]:
    minutes = row.get("TimelimitRaw", "")
    found = {
        "partition": row.get("Partition", ""),
        "mem": row.get("ReqMem", ""),
        "time": format_duration(60 * int(minutes)) if minutes.isdigit() else "",
    }
    return {name: value for name, value in found.items() if value}


def parse_size(text: str, cpus: str = "") -> int | None:
    """The bytes of a size in ``sacct``'s words; None where there is none.

    Slurm before 21.08 writes of ``ReqMem`` whether it is per node (``1Gn``) or per cpu (``1Gc``).

    >>> parse_size("205392K"), parse_size("1.50G"), parse_size("100Mc", cpus="2"), parse_size("")
    (210321408, 1610612736, 209715200, None)
    """
    match = SIZE.fullmatch(text.strip())
    if match is None:
        return None
    number, unit, per = match[1], match[2].upper(), match[3].lower()
    factor = 1024 ** (SIZE_UNITS.index(unit) + 1) if unit else 1
    times = int(cpus) if per == "c" and cpus.isdigit() else 1
    return int(float(number) * factor * times)


def format_size(size: float) -> str:
    """Bytes in the largest unit that leaves at least one of it, three digits exact.

    >>> format_size(1020 * 2**20), format_size(1.5 * 2**30), format_size(512)
    ('1020M', '1.5G', '512 bytes')
    """
    if size < 1024:
        return f"{size:.0f} bytes"
    unit = 0
    size /= 1024
    while size >= 1024 and unit < len(SIZE_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    shown = f"{size:.0f}" if size >= 100 else f"{size:.1f}".removesuffix(".0")
    return shown + SIZE_UNITS[unit]


def parse_duration(text: str) -> int | None:
    """The seconds of a time in Slurm's words; None where there is none.

    >>> parse_duration("1-02:03:04"), parse_duration("1:13"), parse_duration("INVALID")
    (93784, 73, None)
    """
    match = DURATION.fullmatch(text.strip())
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or "0") for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def format_duration(seconds: float, notation: str = "sacct") -> str:
    """A length of time in one of the notations that somebody reads.

    - ``sacct``: whole seconds, as Slurm prints them;
    - ``sbatch``: a time limit as Slurm takes it, days always, a part of a second rounded up;
    - ``clock``: as on a stopwatch, with fractions of what is short;
    - ``words``: as somebody would say it.

    >>> format_duration(192), format_duration(93784), format_duration(5400.2, "sbatch")
    ('00:03:12', '1-02:03:04', '0-01:30:01')
    >>> [format_duration(one, "clock") for one in (0.031, 12.3, 75, 3700)]
    ['0.03 s', '12.3 s', '1:15', '1:01:40']
    >>> [format_duration(one, "words") for one in (0.04, 59.99, 125, 7380, 200000)]
    ['0.0 s', '1 min 00 s', '2 min 05 s', '2 h 03 min', '2 d 7 h']
    """
    return NOTATIONS[notation](seconds)


def _parts(seconds: int) -> tuple[int, int, int, int]:
    """Days, hours, minutes and seconds."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return days, hour, minute, second


def _as_sacct(seconds: float) -> str:
    days, hour, minute, second = _parts(int(seconds))
    return (f"{days}-" if days else "") + f"{hour:02}:{minute:02}:{second:02}"


def _as_sbatch(seconds: float) -> str:
    days, hour, minute, second = _parts(math.ceil(seconds))
    return f"{days}-{hour:02}:{minute:02}:{second:02}"


def _as_on_a_clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    days, hour, minute, second = _parts(round(seconds))
    hour += 24 * days
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def _in_words(seconds: float) -> str:
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    days, hour, minute, second = _parts(round(seconds))
    if days:
        return f"{days} d {hour} h"
    return f"{hour} h {minute:02} min" if hour else f"{minute} min {second:02} s"


NOTATIONS: Mapping[str, Callable[[float], str]] = {
    "sacct": _as_sacct,
    "sbatch": _as_sbatch,
    "clock": _as_on_a_clock,
    "words": _in_words,
}


def exit_in_words(exit_code: str) -> str:
    """An exit code as ``sacct`` prints it, and what it means; nothing for success.

    >>> exit_in_words("3:0"), exit_in_words("0:9"), exit_in_words("0:0")
    ('exit code 3:0', 'exit code 0:9 (SIGKILL)', '')
    """
    if exit_code in ("", "0:0"):
        return ""
    number = exit_code.rpartition(":")[2]
    known = {
        str(OUTPUT_FILE_FAILED): "its output file could not be opened",
        str(KILLED_FOR_MEMORY): "killed for its memory",
        **{str(number): f"SIG{name}" for number, name in enumerate(SIGNALS, 1)},
    }
    return f"exit code {exit_code}" + (f" ({known[number]})" if number in known else "")
