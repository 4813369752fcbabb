"""How long the stages of a job took, from what callbacks are told. Pure."""

from __future__ import annotations

import datetime
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from slurm.callbacks.contexts import seconds_between

STAGES = ("queued", "starting", "running", "noticing", "fetching")


@dataclass(frozen=True)
class JobTiming:
    """When what happened to one job. Times are in UTC, None where nobody has told of them.

    - `submitted`, `seen_running`, `seen_ended`: by the client's clock.
    - `launched`, `called`, `returned`: the job script began, the function was called, it ended; by the node's.
    - `fetching`: seconds that reading the result took.
    """

    task_name: str
    job_id: str
    state: str = "PENDING"
    attempt: int = 1
    submitted: datetime.datetime | None = None
    seen_running: datetime.datetime | None = None
    launched: datetime.datetime | None = None
    called: datetime.datetime | None = None
    returned: datetime.datetime | None = None
    seen_ended: datetime.datetime | None = None
    fetching: float | None = None

    @property
    def queued(self) -> float | None:
        """Seconds from the submission to the start of the job script, or of what is known of the start."""
        return seconds_between(self.submitted, self.launched or self.seen_running or self.called)

    @property
    def starting(self) -> float | None:
        """Seconds in which Python started, and imported and unpickled what the call needs."""
        return seconds_between(self.launched or self.seen_running, self.called)

    @property
    def running(self) -> float | None:
        """Seconds in the function."""
        return seconds_between(self.called, self.returned)

    @property
    def noticing(self) -> float | None:
        """Seconds from the function's end until the client knew of it."""
        return seconds_between(self.returned, self.seen_ended)

    def stages(self) -> dict[str, float | None]:
        """Seconds of each stage."""
        return {stage: getattr(self, stage) for stage in STAGES}

    def as_json(self) -> dict[str, Any]:
        """Plain data: times as RFC 3339, stages in seconds."""
        return {
            name: value.isoformat() if isinstance(value, datetime.datetime) else value
            for name, value in {**asdict(self), **self.stages()}.items()
        }


def summary(timings: Iterable[JobTiming]) -> dict[str, Any]:
    """For each task: the number of jobs, of those that ended otherwise than well, and its stages."""
    by_task: dict[str, list[JobTiming]] = {}
    for timing in timings:
        by_task.setdefault(timing.task_name, []).append(timing)
    return {name: _of_task(jobs) for name, jobs in by_task.items()}


def _of_task(jobs: Sequence[JobTiming]) -> dict[str, Any]:
    ended = [job for job in jobs if job.seen_ended is not None]
    failed = sum(job.state != "COMPLETED" for job in ended)
    counts = {"jobs": len(jobs), "ended": len(ended), "failed": failed}
    return {**counts, **{stage: _statistics(jobs, stage) for stage in STAGES}}


def _statistics(jobs: Sequence[JobTiming], stage: str) -> dict[str, float] | None:
    """None where no job has come so far."""
    known = [value for job in jobs if (value := getattr(job, stage)) is not None]
    if not known:
        return None
    return {
        "min": min(known),
        "median": statistics.median(known),
        "mean": statistics.fmean(known),
        "max": max(known),
        "total": sum(known),
    }


def text_table(tasks: Mapping[str, Any]) -> str:
    """A summary as text: a line for each task, median and maximum of each stage in seconds.

    >>> print(text_table({}))
    task  jobs  failed  queued  starting  running  noticing  fetching
    """
    rows = [["task", "jobs", "failed", *STAGES]]
    for name, task in tasks.items():
        stages = [_cell(task[stage]) for stage in STAGES]
        rows.append([name, str(task["jobs"]), str(task["failed"]), *stages])
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(_line(row, widths) for row in rows)


def _cell(stage: Mapping[str, float] | None) -> str:
    return "-" if stage is None else f"{stage['median']:.3f} ({stage['max']:.3f})"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths)
    cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
    return "  ".join(cells).rstrip()
