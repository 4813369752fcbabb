"""Jobs as squeue and sacct list them: tasks of an array that wait alike share a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .jobs import shown_id
from .store import Job
from .values import ranges


class Row(NamedTuple):
    """What is said of a job, or of several tasks of an array: of the first of them, under the id of all."""

    id: str
    task: str
    job: Job
    step: str = ""

    @property
    def number(self) -> int:
        """The number that Slurm has for it: tasks that share a row have that of their array."""
        return int(self.job["array"] if "[" in self.id else self.job["id"])


def rows_of(jobs: Iterable[Job], *, apart: bool = False) -> Iterator[Row]:
    """A row for each job; tasks of an array that wait for the same thing share one, unless each is to stand `apart`."""
    groups: dict[tuple[object, ...], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job["id"],) if apart else _alike(job), []).append(job)
    for group in groups.values():
        first = group[0]
        if first["array"] is None:
            yield Row(shown_id(first), "N/A", first)
        elif apart or not _is_shared(first):
            yield Row(shown_id(first), str(first["task"]), first)
        else:
            throttle = f"%{first['throttle']}" if first["throttle"] else ""
            tasks = ranges([job["task"] for job in group]) + throttle
            yield Row(f"{first['array']}_[{tasks}]", tasks, first)


def _alike(job: Job) -> tuple[object, ...]:
    if not _is_shared(job):
        return (job["id"],)
    return ("array", job["array"], job["reason"])


def _is_shared(job: Job) -> bool:
    """Whether Slurm has not yet made a record of its own of it."""
    waits = job["state"] == "PENDING" and not job["told"] and not job["restarts"]
    return job["array"] is not None and waits
