"""Several jobs at once, with the words of ``concurrent.futures`` and ``asyncio``."""

from __future__ import annotations

import functools
import itertools
import queue
import sys
import threading
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from slurm import forks
from slurm.job_dir.tracebacks import UsersFrames
from slurm.tracking.deadline import Deadline, seconds_of
from slurm.tracking.elements import Elements
from slurm.tracking.interrupts import InterruptibleWait
from slurm.tracking.not_ended import summary_of
from slurm.tracking.record import JobOperations, JobRecord
from slurm.tracking.upstream import Upstream

if TYPE_CHECKING:
    from slurm.array_job import ArrayJob
    from slurm.job import Job
    from slurm.tracking.array_record import ArrayRecord

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
    with UsersFrames(TypeError, ValueError):
        return _completed(jobs, seconds_of(timeout))


def _completed(jobs: Iterable[Job[T]], timeout: float | None) -> Iterator[Job[T]]:
    with UsersFrames():
        deadline = Deadline(timeout)
        array = _whole_array(jobs)
        yield from _as_they_end(jobs, deadline) if array is None else _of_array(array, deadline)


def _whole_array(jobs: Iterable[Job[T]]) -> Elements[Job[T]] | None:
    """The jobs of an array where all of it is given: they are made one by one, as they end."""
    is_array = isinstance(jobs, Upstream) and jobs.layout is not None
    given: Any = cast(Any, jobs).jobs if is_array else jobs
    return given if isinstance(given, Elements) else None


def _of_array(jobs: Elements[Job[T]], deadline: Deadline) -> Iterator[Job[T]]:
    array, left = jobs.array, set(range(len(jobs)))
    array.meet()
    queues: forks.Own[queue.SimpleQueue[int]] = forks.Own(queue.SimpleQueue)
    try:
        while left:
            if queues.known is None:  # at first; and in a child that was forked meanwhile
                tell = queues.get().put
                if not array.finished:
                    array.operations.watch([array])
                for index in array.call_for_each(tell):
                    tell(index)
            try:
                with InterruptibleWait(array.records):
                    index = queues.get().get(timeout=deadline.left())
            except queue.Empty:
                raise TimeoutError(_not_ended(len(left), len(jobs), array.records)) from None
            if index in left:
                left.remove(index)
                yield jobs[index]
    finally:
        if queues.known is not None:
            array.call_no_more(queues.known.put)


def _as_they_end(jobs: Iterable[Job[T]], deadline: Deadline) -> Iterator[Job[T]]:
    waiting = {id(job): job for job in jobs}
    # The futures of an executor are as good, whatever the type says; Ctrl-C leaves their jobs alone.
    known: Iterable[object] = waiting.values()
    own = [job for job in known if isinstance(job, Upstream)]
    records = [record for job in own for record in job.records]
    for job in own:
        job.known.meet()
    count = len(waiting)
    queues: forks.Own[queue.SimpleQueue[Job[T]]] = forks.Own(queue.SimpleQueue)
    while waiting:
        if queues.known is None:  # at first; and in a child that was forked meanwhile
            for one in waiting.values():
                one.add_done_callback(queues.get().put)
        try:
            with InterruptibleWait(records):
                ended = queues.get().get(timeout=deadline.left())
        except queue.Empty:
            raise TimeoutError(_not_ended(len(waiting), count, records)) from None
        del waiting[id(ended)]
        yield ended


def _not_ended(left: int, count: int, records: Sequence[JobRecord]) -> str:
    if len(records) == count and not all(record.finished for record in records):
        return summary_of(records)
    return f"{left} of {count} jobs have not ended"  # futures of executors are among them


def when_all_have_ended(
    jobs: Sequence[Job[Any] | ArrayJob[Any]], function: Callable[[], object]
) -> None:
    """Have `function` called when the last of `jobs` has ended; at once where there are none.

    >>> when_all_have_ended(array.jobs, lambda: print("all have ended"))
    all have ended
    """
    left = len(jobs)
    counting = threading.Lock()

    def one_more(_: object) -> None:
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


async def decided(array: ArrayRecord) -> None:
    """Wait until all of an array has ended, or any of it badly; the event loop is free meanwhile.

    >>> import asyncio
    >>> asyncio.run(decided(array.known))
    """
    import asyncio

    loop = asyncio.get_running_loop()
    enough = asyncio.Event()

    def stop() -> None:
        loop.call_soon_threadsafe(enough.set)

    def ended(index: int) -> None:
        if not array.status_of(index).ended_well:
            stop()

    array.call_for_each(ended)
    array.call_when_all_have_ended(stop)
    if array.has_failed:
        stop()
    try:
        await enough.wait()
    finally:
        array.call_no_more(ended)


def gather(
    *jobs: Job[Any] | ArrayJob[Any],
    return_exceptions: bool = False,
    timeout: float | None = None,
) -> Gathered:
    """The results of all jobs, in the order in which they were given; an array's are a list.

    Waits for all of them, and reads their results together. Raises the exception of the first one
    in that order that has none; with `return_exceptions` its exception stands in its place instead.
    Raises the built-in ``TimeoutError`` when not all have ended after `timeout` seconds, in either case,
    and ``TypeError`` for what is no job, or no number of seconds.

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
    with UsersFrames(TypeError, ValueError):
        timeout = seconds_of(timeout)
        for job in jobs:
            if not isinstance(job, Upstream):
                raise TypeError(
                    f"gather() takes jobs, one argument each, not {type(job).__name__}: gather(*jobs)"
                )
    with UsersFrames():
        if sys._getframe(1).f_code.co_flags & IN_A_COROUTINE:
            return cast(Gathered, Gathering(jobs, return_exceptions, timeout))
        return Gathered(_gathered(jobs, return_exceptions, timeout))


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
        self,
        jobs: Sequence[Job[Any] | ArrayJob[Any]],
        return_exceptions: bool = False,
        timeout: float | None = None,
    ) -> None:
        self._jobs = jobs
        self._return_exceptions = return_exceptions
        self._deadline = Deadline(timeout)

    @functools.cached_property
    def _results(self) -> list[Any]:
        return _gathered(self._jobs, self._return_exceptions, self._deadline.left())

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
            when_all_have_ended(self._jobs, lambda: loop.call_soon_threadsafe(ended.set))
            try:
                await asyncio.wait_for(ended.wait(), self._deadline.left())
            except asyncio.TimeoutError:  # another class than the built-in one before Python 3.11
                raise TimeoutError(_not_all(self._jobs)) from None
            return await loop.run_in_executor(None, lambda: list(self._results))


def _gathered(
    jobs: Sequence[Job[Any] | ArrayJob[Any]], return_exceptions: bool, timeout: float | None
) -> list[Any]:
    records = [job.records for job in jobs]
    deadline = Deadline(timeout)
    with InterruptibleWait(itertools.chain.from_iterable(records)):
        for job in jobs:
            if not job.wait(deadline.left()):
                raise TimeoutError(_not_all(jobs))
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


def _not_all(jobs: Sequence[Job[Any] | ArrayJob[Any]]) -> str:
    return summary_of([record for job in jobs for record in job.records])
