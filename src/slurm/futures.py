"""Several jobs at once, with the words of ``concurrent.futures`` and ``asyncio``."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from slurm.job import Job
from slurm.results.outcome import fetch_outcomes
from slurm.tracking.interrupts import Waiting

if TYPE_CHECKING:
    from slurm.array_job import ArrayJob
    from slurm.cluster import Cluster

T = TypeVar("T")


def as_completed(jobs: Iterable[Job[T]], timeout: float | None = None) -> Iterator[Job[T]]:
    """The jobs in the order in which they end, each once, those that have ended already first.

    Raises the built-in ``TimeoutError`` when not all have ended `timeout` seconds after the first
    was asked for.

    >>> from slurm import as_completed
    >>> with cluster:
    ...     jobs = [double(1), double(2)]
    >>> sorted(job.get_result() for job in as_completed(jobs, timeout=60))
    [2, 4]
    """
    waiting = {id(job): job for job in jobs}
    deadline = None if timeout is None else time.monotonic() + timeout
    ended: queue.SimpleQueue[Job[T]] = queue.SimpleQueue()
    for job in waiting.values():
        job.add_done_callback(ended.put)
    for left in range(len(waiting), 0, -1):
        patience = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            with Waiting(list(waiting.values())):
                job = ended.get(timeout=patience)
        except queue.Empty:
            raise TimeoutError(f"{left} of {len(waiting)} jobs have not ended") from None
        yield job


def gather(*jobs: Job[Any] | ArrayJob[Any], return_exceptions: bool = False) -> list[Any]:
    """The results of all jobs, in the order in which they were given; an array's are a list.

    Waits for all of them, and reads their results together. Raises the exception of the first one
    in that order that has none; with `return_exceptions` its exception stands in its place instead.
    Raises ``TypeError`` for what is no job.

    >>> from slurm import gather
    >>> gather(job, array)
    [42, [2, 4, 6]]
    """
    for job in jobs:
        if not hasattr(job, "add_done_callback"):
            raise TypeError(
                f"gather() takes jobs, one argument each, not {type(job).__name__}: gather(*jobs)"
            )
    by_cluster: dict[Cluster, list[Job[Any]]] = {}
    with Waiting([one for job in jobs for one in ([job] if isinstance(job, Job) else job)]):
        for job in jobs:
            job.wait()
    for job in jobs:
        if isinstance(job, Job):
            by_cluster.setdefault(job.cluster, []).append(job)
    for alike in by_cluster.values():
        fetch_outcomes(alike)
    if not return_exceptions:
        return [job.result() for job in jobs]
    errors = [job.exception() for job in jobs]
    return [job.result() if error is None else error for job, error in zip(jobs, errors)]
