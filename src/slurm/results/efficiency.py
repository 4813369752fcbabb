"""What a job used of what it asked for, and what to ask for the next time. Pure, but for asking for its account."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from slurm.states import ACTIVE, JobState
from slurm.tracking.accounting import RECORD_GRACE, Accounting
from slurm.usage import Account, format_duration, format_size, parse_duration

if TYPE_CHECKING:
    from slurm.tracking.record import JobRecord

ROOM = 1.3  # times what was used, which is enough for most jobs that are like this one
LITTLE, MUCH = 50.0, 90.0  # percent
MEBIBYTE = 1 << 20
LEAST_MEMORY = 256 * MEBIBYTE  # what nobody waits for
LEAST_TIME = 600  # seconds
UNKNOWN = "accounts do not tell"
AT_THE_END = "known when the job has ended"
NOT_ENDED = frozenset((*ACTIVE, JobState.PENDING, JobState.SUSPENDED))


@dataclass(frozen=True)
class Efficiency:
    """What a job used of what it asked for.

    - `elapsed` and `time_limit`: seconds that it ran, and those it might have.
    - `cpu_time`: seconds for which processors were busy with it; `cpus`: how many it had.
    - `max_rss` and `memory`: bytes that it used at most, and those it asked for. Slurm looks every so many seconds, so that a
      short peak may be higher.
    - `advice`: what would do the next time, in sbatch's options.

    None where nobody tells: a site without accounts, or a job that goes on and is not Slurm's.

    >>> used = Efficiency("12", elapsed=100.0, cpu_time=150.0, cpus=2, max_rss=2**30, memory=4 * 2**30)
    >>> used.cpu_percent, used.memory_percent, used.time_percent
    (75.0, 25.0, None)
    """

    job_id: str
    state: JobState = JobState.UNKNOWN
    elapsed: float | None = None
    time_limit: float | None = None
    cpu_time: float | None = None
    cpus: int | None = None
    max_rss: int | None = None
    memory: int | None = None
    advice: tuple[str, ...] = ()

    @property
    def cpu_percent(self) -> float | None:
        """How busy the processors were that it had.

        >>> Efficiency("12").cpu_percent is None
        True
        """
        return _percent(self.cpu_time, (self.elapsed or 0.0) * (self.cpus or 0))

    @property
    def memory_percent(self) -> float | None:
        """How much of its memory it used at most.

        >>> Efficiency("12", max_rss=1, memory=4).memory_percent
        25.0
        """
        return _percent(self.max_rss, self.memory)

    @property
    def time_percent(self) -> float | None:
        """How much of its time limit it ran.

        >>> Efficiency("12", elapsed=30.0, time_limit=60.0).time_percent
        50.0
        """
        return _percent(self.elapsed, self.time_limit)

    def lines(self) -> Iterator[tuple[str, str]]:
        """All of it in words, each with its name.

        >>> used = Efficiency("12", elapsed=90.0, time_limit=3600, max_rss=2**30, memory=4 * 2**30)
        >>> print(*used.lines(), sep="\\n")
        ('cpu', 'accounts do not tell')
        ('memory', '1G of 4G, 25 %')
        ('time', '00:01:30 of 01:00:00, 2 %')
        """
        busy = None if self.cpu_time is None else format_duration(self.cpu_time)
        had = _had(self)
        unknown = UNKNOWN if self.state not in NOT_ENDED else AT_THE_END
        yield "cpu", _of(busy, had, self.cpu_percent, unknown)
        used = None if self.max_rss is None else format_size(self.max_rss)
        asked = None if self.memory is None else format_size(self.memory)
        yield "memory", _of(used, asked, self.memory_percent, unknown)
        ran = None if self.elapsed is None else format_duration(self.elapsed)
        limit = None if self.time_limit is None else format_duration(self.time_limit)
        yield "time", _of(ran, limit, self.time_percent, unknown)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain JSON.

        >>> Efficiency("12").as_json()["cpu_percent"] is None
        True
        """
        percent = {name: getattr(self, name) for name in PERCENTAGES}
        return {**asdict(self), "state": str(self.state), "advice": list(self.advice), **percent}


PERCENTAGES = ("cpu_percent", "memory_percent", "time_percent")


def _percent(used: float | None, asked: float | None) -> float | None:
    return round(100.0 * used / asked, 1) if used is not None and asked else None


def _of(used: str | None, asked: str | None, percent: float | None, unknown: str) -> str:
    if used is None:
        return unknown
    of = f" of {asked}" if asked else ""
    return used + of + (f", {percent:.0f} %" if percent is not None else "")


def _had(used: Efficiency) -> str | None:
    if not used.cpus or used.elapsed is None:
        return None
    return f"{format_duration(used.elapsed * used.cpus)} on {used.cpus} cpu{'s' * (used.cpus > 1)}"


def efficiency_of(
    job_id: str, state: JobState, account: Account, options: Mapping[str, str]
) -> Efficiency:
    """That of a job, by its account; `options` are sbatch's, as the job had them.

    >>> from slurm.usage import Usage
    >>> account = Account(Usage(elapsed=3600, max_rss=3 * 2**30), memory=16 * 2**30)
    >>> efficiency_of("12", JobState.COMPLETED, account, {}).advice
    ('mem=4G would do: it used 3G of 16G',)
    """
    peak, limit = account.usage.max_rss, account.requested.get("time", "")
    known = Efficiency(
        job_id,
        state,
        elapsed=account.usage.elapsed,
        time_limit=parse_duration(limit),
        cpu_time=account.usage.cpu_time,
        cpus=account.cpus,
        # Of a step with several tasks, accounts have the largest: the others may be as large.
        max_rss=None if peak is None else peak * account.tasks,
        memory=account.memory,
    )
    return _advised(known, options)


def of_record(record: JobRecord) -> Efficiency:
    """That of a job as it is on record now; waits a moment for a record that is not whole yet. Raises `TransportError`.

    While it runs, its nodes tell what it has used so far, where they may be asked.
    """
    from slurm.results.logs import options_of

    seconds = RECORD_GRACE if record.finished else 0.0
    account = Accounting(record.site.backend).of(record.id, seconds)
    known = efficiency_of(record.id, record.status.state, account, options_of(record))
    return known if known.state is not JobState.RUNNING else _so_far(record, known)


def _so_far(record: JobRecord, known: Efficiency) -> Efficiency:
    from slurm.api.local import LocalBackend
    from slurm.results.live_usage import live_usage

    backend = record.site.backend
    if isinstance(backend, LocalBackend):
        return known
    max_rss, cpu_time = live_usage(backend, record.id)
    return replace(
        known,
        max_rss=known.max_rss if max_rss is None else max_rss,
        cpu_time=cpu_time or known.cpu_time,
    )


def together(jobs: Sequence[Efficiency], job_id: str, options: Mapping[str, str]) -> Efficiency:
    """That of an array, whose elements share what they ask for: the most that one of them used, of processors on average.

    >>> both = [Efficiency("12_0", elapsed=10.0, max_rss=1), Efficiency("12_1", elapsed=20.0, max_rss=3)]
    >>> whole = together(both, "12", {})
    >>> whole.elapsed, whole.max_rss
    (20.0, 3)
    """
    states = {job.state for job in jobs}
    elapsed = _largest(job.elapsed for job in jobs)
    busy = [job.cpu_percent for job in jobs if job.cpu_percent is not None]
    cpus = _largest(job.cpus for job in jobs)
    percent = sum(busy) / len(busy) if busy else None
    known = Efficiency(
        job_id,
        next(iter(states)) if len(states) == 1 else JobState.UNKNOWN,
        elapsed=elapsed,
        time_limit=_largest(job.time_limit for job in jobs),
        cpu_time=None if percent is None else percent / 100 * (elapsed or 0) * (cpus or 0),
        cpus=None if cpus is None else int(cpus),
        max_rss=_largest(job.max_rss for job in jobs),
        memory=_largest(job.memory for job in jobs),
    )
    return _advised(known, options)


def _largest(values: Any) -> Any:
    return max((value for value in values if value is not None), default=None)


def _advised(used: Efficiency, options: Mapping[str, str]) -> Efficiency:
    advice = (*_about_memory(used, options), *_about_time(used), *_about_cpus(used, options))
    return replace(used, advice=advice)


def _about_memory(used: Efficiency, options: Mapping[str, str]) -> Iterator[str]:
    percent = used.memory_percent
    if used.state is JobState.OUT_OF_MEMORY and used.memory:
        yield f"{_memory_option(used, options, 2.0 * used.memory)}: it was killed for its memory, {format_size(used.memory)}"
    elif percent is not None and used.max_rss is not None and used.memory is not None:
        said = f"it used {format_size(used.max_rss)} of {format_size(used.memory)}"
        wanted = _memory_option(used, options, ROOM * used.max_rss)
        if percent > MUCH:
            yield f"{wanted} would be safe: {said}"
        elif percent < LITTLE and used.memory > LEAST_MEMORY and _has_run(used):
            yield f"{wanted} would do: {said}"


def _memory_option(used: Efficiency, options: Mapping[str, str], size: float) -> str:
    """An amount of memory as the job asked for it, rounded up to what people write."""
    per_cpu = "mem-per-cpu" in options and used.cpus
    size = size / used.cpus if per_cpu and used.cpus else size
    unit = 1024 * MEBIBYTE if size > 2 * 1024 * MEBIBYTE else 128 * MEBIBYTE
    rounded = unit * math.ceil(size / unit)
    return f"{'mem_per_cpu' if per_cpu else 'mem'}={_whole(rounded)}"


def _whole(size: int) -> str:
    mebibytes = size // MEBIBYTE
    return f"{mebibytes // 1024}G" if mebibytes % 1024 == 0 else f"{mebibytes}M"


def _about_time(used: Efficiency) -> Iterator[str]:
    percent = used.time_percent
    if percent is None or used.elapsed is None or used.time_limit is None:
        return
    if used.state is JobState.TIMEOUT:
        yield f"time={_limit(2 * used.time_limit)}: its time limit has ended it"
    elif percent < LITTLE and used.time_limit > LEAST_TIME and _has_run(used):
        shorter = max(LEAST_TIME, ROOM * used.elapsed)
        if shorter < used.time_limit:
            said = f"it ran {format_duration(used.elapsed)}, and shorter jobs start earlier"
            yield f"time={_limit(shorter)} would do: {said}"


def _limit(seconds: float) -> str:
    """A time limit in whole five minutes."""
    return format_duration(300 * math.ceil(seconds / 300))


def _about_cpus(used: Efficiency, options: Mapping[str, str]) -> Iterator[str]:
    percent, cpus = used.cpu_percent, used.cpus or 0
    if percent is None or not _has_run(used) or (used.elapsed or 0) < 60 or percent >= LITTLE:
        return
    busy = percent / 100 * cpus
    enough = max(1, math.ceil(busy))
    if enough < cpus and options.get("ntasks", "1") == "1" and options.get("nodes", "1") == "1":
        yield f"cpus_per_task={enough} would do: it kept {busy:.1f} of {cpus} busy"


def _has_run(used: Efficiency) -> bool:
    return used.state is JobState.COMPLETED
