"""Several jobs at once, with the words of ``concurrent.futures`` and ``asyncio``."""

from __future__ import annotations

import functools
import queue
import sys
import threading
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from slurm import forks
from slurm.job_dir.tracebacks import UsersFrames
from slurm.tracking.deadline import Deadline
from slurm.tracking.interrupts import InterruptibleWait
from slurm.tracking.not_ended import summary_of
from slurm.tracking.record import JobOperations, JobRecord
from slurm.tracking.upstream import Upstream

if TYPE_CHECKING:
    from slurm.array_job import ArrayJob
    from slurm.job import Job

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
    with UsersFrames():
        waiting = {id(job): job for job in jobs}
        # The futures of an executor are as good, whatever the type says; Ctrl-C leaves their jobs alone.
        known: Iterable[object] = waiting.values()
        records = [record for job in known if isinstance(job, Upstream) for record in job.records]
        deadline = Deadline(timeout)
        for record in records:
            record.meet()
        count = len(waiting)
        queues: forks.Own[queue.SimpleQueue[Job[T]]] = forks.Own(queue.SimpleQueue)
        while waiting:
            if queues.known is None:  # at first; and in a child that was forked meanwhile
                for job in waiting.values():
                    job.add_done_callback(queues.get().put)
            try:
                with InterruptibleWait(records):
                    job = queues.get().get(timeout=deadline.left())
            except queue.Empty:
                raise TimeoutError(_not_ended(len(waiting), count, records)) from None
            del waiting[id(job)]
            yield job


def _not_ended(left: int, count: int, records: Sequence[JobRecord]) -> str:
    if len(records) == count and not all(record.finished for record in records):
        return summary_of(records)
    return f"{left} of {count} jobs have not ended"  # futures of executors are among them


def when_all_have_ended(jobs: Sequence[Job[Any]], function: Callable[[], object]) -> None:
    """Have `function` called when the last of `jobs` has ended; at once where there are none.

    >>> when_all_have_ended(array.jobs, lambda: print("all have ended"))
    all have ended
    """
    left = len(jobs)
    counting = threading.Lock()

    def one_more(_: Job[Any]) -> None:
        nonlocal left
        with counting:
            left -= 1
            last = left == 0
        if last:
            function()

    if not jobs:
        function()
    for job in jobs:
        job.add_done_callback(one_more)


async def decided(jobs: Sequence[Job[Any]]) -> None:
    """Wait until all `jobs` have ended, or one of them badly; the event loop is free meanwhile.

    >>> import asyncio
    >>> asyncio.run(decided(array.jobs))
    """
    import asyncio

    loop = asyncio.get_running_loop()
    enough = asyncio.Event()

    def stop() -> None:
        loop.call_soon_threadsafe(enough.set)

    def ended(job: Job[Any]) -> None:
        if not job.is_successful():
            stop()

    for job in jobs:
        job.add_done_callback(ended)
    when_all_have_ended(jobs, stop)
    await enough.wait()


def gather(*jobs: Job[Any] | ArrayJob[Any], return_exceptions: bool = False) -> Gathered:
    """The results of all jobs, in the order in which they were given; an array's are a list.

    Waits for all of them, and reads their results together. Raises the exception of the first one
    in that order that has none; with `return_exceptions` its exception stands in its place instead.
    Raises ``TypeError`` for what is no job.

    >>> from slurm import gather
    >>> gather(job, array)
    [42, [2, 4, 6]]

    In a coroutine it is awaited, and leaves the event loop free meanwhile:

    >>> import asyncio
    >>> async def main() -> list[object]:
    ...     return await gather(job, array)
    >>> asyncio.run(main())
    [42, [2, 4, 6]]
    """
    with UsersFrames(TypeError):
        for job in jobs:
            if not isinstance(job, Upstream):
                raise TypeError(
                    f"gather() takes jobs, one argument each, not {type(job).__name__}: gather(*jobs)"
                )
    with UsersFrames():
        if sys._getframe(1).f_code.co_flags & IN_A_COROUTINE:
            return cast(Gathered, Gathering(jobs, return_exceptions))
        return Gathered(_gathered(jobs, return_exceptions))


# What is written as `async def`, where waiting would hold up everything else in the event loop. A loop that runs says
# less: in a notebook there always is one, and a cell without `await` wants its results here and now.
IN_A_COROUTINE = (
    0x80 | 0x200
)  # CO_COROUTINE and CO_ASYNC_GENERATOR of `inspect`, which takes long to import


class Gathered(list[Any]):
    """The results that `gather` waited for; awaiting them again gives them at once."""

    def __await__(self) -> Generator[Any, None, list[Any]]:
        yield from ()
        return list(self)


class Gathering(Sequence[Any], Awaitable[list[Any]]):
    """The results of jobs that a coroutine awaits. Used as a list before that, it waits where it stands."""

    def __init__(
        self, jobs: Sequence[Job[Any] | ArrayJob[Any]], return_exceptions: bool = False
    ) -> None:
        self._jobs = jobs
        self._return_exceptions = return_exceptions

    @functools.cached_property
    def _results(self) -> list[Any]:
        return _gathered(self._jobs, self._return_exceptions)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    @UsersFrames()
    def __getitem__(self, index: int | slice) -> Any:
        return self._results[index]

    @UsersFrames()
    def __len__(self) -> int:
        return len(self._jobs)

    @UsersFrames()
    def __eq__(self, other: object) -> bool:
        return self._results == (other._results if isinstance(other, Gathering) else other)

    def __hash__(self) -> int:  # asyncio.gather puts what it awaits into a dict
        return id(self)

    @UsersFrames()
    def __repr__(self) -> str:
        return repr(self._results)

    def __await__(self) -> Generator[Any, None, list[Any]]:
        return self._awaited().__await__()

    async def _awaited(self) -> list[Any]:
        import asyncio

        with UsersFrames():
            loop, ended = asyncio.get_running_loop(), asyncio.Event()
            each = [
                job for one in self._jobs for job in (one if isinstance(one, Sequence) else [one])
            ]
            when_all_have_ended(each, lambda: loop.call_soon_threadsafe(ended.set))
            await ended.wait()
            return await loop.run_in_executor(None, lambda: list(self._results))


def _gathered(jobs: Sequence[Job[Any] | ArrayJob[Any]], return_exceptions: bool) -> list[Any]:
    with InterruptibleWait([record for job in jobs for record in job.records]):
        for job in jobs:
            job.wait()
    by_cluster: dict[JobOperations, list[JobRecord]] = {}
    for job in jobs:
        if not isinstance(job, Sequence):  # an array reads its own together
            for record in job.records:
                by_cluster.setdefault(record.operations, []).append(record)
    for operations, alike in by_cluster.items():
        operations.fetch_all(alike)
    if not return_exceptions:
        return [job.result() for job in jobs]
    errors = [job.exception() for job in jobs]
    return [job.result() if error is None else error for job, error in zip(jobs, errors)]
