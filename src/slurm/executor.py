"""A cluster with the words of ``concurrent.futures``: `Cluster.executor` makes one."""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future, wait
from concurrent.futures import (
    TimeoutError as FutureTimeout,
)  # before Python 3.11 not the built-in one
from typing import TYPE_CHECKING, Any, TypeVar, overload

from slurm import forks
from slurm.context import activated, get_active_context
from slurm.errors import SchedulerUnreachable, TransportError
from slurm.job_dir.result import Outcome
from slurm.job_dir.tracebacks import UsersFrames
from slurm.states import JobState
from slurm.task import SlurmTask
from slurm.tracking.deadline import Deadline, seconds_of
from slurm.tracking.interrupts import InterruptibleWait
from slurm.tracking.not_ended import advice_for, words_for
from slurm.tracking.record import JobRecord, watched_no_more

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import ParamSpec

    from slurm.array_job import ArrayJob
    from slurm.cluster import Cluster
    from slurm.context import SubmissionContext
    from slurm.job import Job

    P = ParamSpec("P")
    Later = Coroutine[Any, Any, T]  # of which the job returns the T

logger: logging.Logger = logging.getLogger(__name__)

R = TypeVar("R")

RETRY = 1.0  # seconds
READ_AT_ONCE = 100


class JobFuture(Future[T]):
    """A `concurrent.futures.Future` of a job; `job` is its `Job`. `JobExecutor.submit` returns it.

    A forked child that asks for it has it settled there as well.

    >>> future.job.get_result() == future.result()
    True
    """

    def __init__(self, job: Job[T], settling: Settling) -> None:
        self._settling = settling
        super().__init__()
        self.job = job

    # Whatever `Future`, `wait` and `as_completed` do takes this first, so here a child notices that it is one: nobody
    # that its parent has waiting is there, and no thread that would settle anything.
    @property
    def _condition(self) -> threading.Condition:
        if self._process is not forks.here():
            self._begin_anew()
        return self._changing

    @_condition.setter
    def _condition(self, condition: threading.Condition) -> None:
        self._process = forks.here()
        self._changing = condition

    def _begin_anew(self) -> None:
        with forks.renewing():
            if self._process is forks.here():
                return
            self._condition = threading.Condition()
            self._waiters: list[Any] = []
            self._done_callbacks: list[Any] = []
        if not self.done():
            self._settling.begin(self)

    def __reduce__(self) -> Any:
        raise TypeError(
            f"the future of {self.job!r} cannot be pickled: give a task its job, as future.job, or return that; its "
            "result takes its place"
        )

    @UsersFrames()
    def cancel(self) -> bool:
        """Cancel the job if it has not started; whether it is cancelled, now or since before.

        The scheduler is asked. Raises `TransportError` or `SchedulerUnreachable` when nobody answers.

        >>> future.cancel()  # it has ended
        False
        """
        if not self.done() and _cancel_pending([self.job]):
            self._note_cancelled()
        return self.cancelled()

    @UsersFrames(FutureTimeout, CancelledError)
    def result(self, timeout: float | None = None) -> T:
        """What the call returned; raises what it raised, or what kept it from ending.

        And ``CancelledError`` for a call that was cancelled, and the built-in ``TimeoutError`` when it
        has not ended within `timeout` seconds.

        >>> future.result(timeout=60)
        42
        """
        seconds = seconds_of(timeout)
        with InterruptibleWait(self.job.records):
            return self._in_time(super().result, seconds)

    @UsersFrames(FutureTimeout, CancelledError)
    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What `result` raises; None for a call that has returned.

        >>> print(future.exception())
        None
        """
        seconds = seconds_of(timeout)
        with InterruptibleWait(self.job.records):
            return self._in_time(super().exception, seconds)

    def _in_time(self, wait: Callable[[float | None], R], timeout: float | None) -> R:
        try:
            return wait(timeout)
        except FutureTimeout:
            if self.done():
                raise  # the task's own
            [record] = self.job.records
            state, advice = words_for(record.status), advice_for([record.status])
            raise FutureTimeout(
                f"job {record.id} ({record.task_name}) is {state} after {timeout} s{advice}"
            ) from None

    def running(self) -> bool:
        """Whether the job was running when last heard of.

        >>> future.running(), future.done()
        (False, True)
        """
        return not self.done() and self.job.is_running()

    def _note_cancelled(self) -> None:
        if super().cancel():
            self.set_running_or_notify_cancel()  # tells those who wait for several futures

    def _take(self, outcome: Outcome) -> None:
        # It runs already where this process was forked while it was settled.
        if self.cancelled() or not (super().running() or self.set_running_or_notify_cancel()):
            return
        if outcome.error is not None:
            self.set_exception(outcome.error)
        else:
            self.set_result(outcome.value)


class JobExecutor(Executor):
    """Runs calls as jobs of a cluster, each with the executor's sbatch options.

    Takes plain functions as well as tasks. The end of its ``with`` block waits for the jobs; the
    cluster stays connected. In a workflow the jobs are the workflow's children.

    >>> import concurrent.futures
    >>> with cluster.executor(time="5") as executor:
    ...     futures = [executor.submit(pow, 2, 10), executor.submit(double, 21)]
    ...     done, left = concurrent.futures.wait(futures)
    >>> [future.result() for future in futures]
    [1024, 42]
    """

    def __init__(self, cluster: Cluster, options: Mapping[str, Any]) -> None:
        active = get_active_context()
        own_workflow = active is not None and active.submitter.site is cluster.site
        self._context: SubmissionContext = active if active and own_workflow else cluster
        self._cluster = cluster
        self._options = dict(options)
        self._changing = forks.Lock()
        self._over = False
        self._arrays: list[ArrayJob[Any]] = []
        self._settling = Settling(cluster)

    @overload
    def submit(self, fn: SlurmTask[P, T], /, *args: P.args, **kwargs: P.kwargs) -> JobFuture[T]: ...
    @overload
    def submit(
        self, fn: Callable[P, Job[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> JobFuture[T]: ...
    @overload
    def submit(
        self, fn: Callable[P, Later[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> JobFuture[T]: ...
    @overload
    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> JobFuture[T]: ...
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> JobFuture[Any]:
        """Submit a job that calls `fn`, a function or a task, and return its future.

        A `Job` among the arguments is a dependency and arrives as its result. Raises what submitting
        a job raises, and ``RuntimeError`` after `shutdown`.

        >>> with cluster.executor() as executor:
        ...     future = executor.submit(double, 21)
        >>> future.result(), future.job.task_name
        (42, 'double')
        """
        with UsersFrames(TypeError, RuntimeError):
            task = self._task(fn)
        with UsersFrames(TypeError), activated(self._context):
            future: JobFuture[Any] = JobFuture(task(*args, **kwargs), self._settling)
        with UsersFrames():
            self._settling.begin(future)
        return future

    @overload
    def map(
        self,
        fn: SlurmTask[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[T]: ...
    @overload
    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[T]: ...
    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[Any]:
        """The results of `fn` for each of the items, in their order: one array of jobs.

        With `chunksize`, one job runs so many items, one after the other. Raises what an item raised,
        and the built-in ``TimeoutError`` for a result that is not there `timeout` seconds after the
        call. Jobs that have not started then are cancelled, as they are when the iterator is closed.

        >>> with cluster.executor() as executor:
        ...     list(executor.map(pow, [2, 3], [5, 2], chunksize=2))
        [32, 9]
        """
        with UsersFrames(TypeError, ValueError, RuntimeError):
            deadline = Deadline(timeout)
            task = self._task(fn)
        with UsersFrames(TypeError):
            calls = zip(*iterables)
            first = list(itertools.islice(calls, 1))
        if not first:
            return iter(())
        with UsersFrames(TypeError), activated(self._context):
            array = task.map(itertools.chain(first, calls), pack=chunksize).submit()
        with self._changing:
            self._arrays.append(array)
        return _results(array, deadline)

    @UsersFrames()
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls, and wait for the jobs unless told otherwise.

        With `cancel_futures`, jobs that have not started are cancelled. Raises `TransportError` or
        `SchedulerUnreachable` when nobody answers.

        >>> executor = cluster.executor()
        >>> executor.shutdown()
        >>> executor.submit(double, 21)
        Traceback (most recent call last):
        RuntimeError: double() was not submitted: its executor was shut down
        """
        with self._changing:
            self._over = True
            futures, arrays = self._settling.left(), list(self._arrays)
        if cancel_futures:
            cancelled = set(
                _cancel_pending(
                    [future.job for future in futures] + [job for array in arrays for job in array]
                )
            )
            for future in futures:
                if future.job in cancelled:
                    future._note_cancelled()
        if wait:
            _wait_for(futures, arrays)

    def _task(self, function: Callable[..., Any]) -> SlurmTask[..., Any]:
        if isinstance(function, SlurmTask):
            task = function.with_options(**self._options)
        else:
            task = SlurmTask(function, options=self._options)
        if self._over:
            raise RuntimeError(f"{task.name}() was not submitted: its executor was shut down")
        return task


class Settler:
    """What one process settles futures with."""

    def __init__(self) -> None:
        self.futures: set[JobFuture[Any]] = set()
        self.ended: queue.SimpleQueue[JobFuture[Any]] = queue.SimpleQueue()
        self.thread: threading.Thread | None = None


class Settling:
    """Fetches the results of one executor's jobs: here, not in the thread that watches all jobs of the cluster.

    The thread lives as long as there is a future that has none.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._unsettled: set[JobFuture[Any]] = set()
        self._changing = forks.Lock()
        self._own = forks.Own(Settler)

    def left(self) -> list[JobFuture[Any]]:
        """The futures that have no result yet."""
        with self._changing:
            return list(self._unsettled)

    def begin(self, future: JobFuture[Any]) -> None:
        """Have it settled in this process when its job has ended."""
        own = self._own.get()
        with self._changing:
            self._unsettled.add(future)
            own.futures.add(future)
            if own.thread is None:
                own.thread = threading.Thread(
                    target=self._settle, args=(own,), name="slurm-executor", daemon=True
                )
                with activated(None):
                    own.thread.start()
        future.job.add_done_callback(lambda job: own.ended.put(future))

    def _settle(self, own: Settler) -> None:
        while True:
            futures = [own.ended.get()]
            while not own.ended.empty():
                futures.append(own.ended.get())
            records = [record for one in futures for record in one.job.records]
            for future, outcome in zip(futures, self._outcomes(records)):
                future._take(outcome)
            with self._changing:
                self._unsettled.difference_update(futures)
                own.futures.difference_update(futures)
                if not own.futures:
                    own.thread = None
                    return

    def _outcomes(self, records: Sequence[JobRecord]) -> list[Outcome]:
        while True:
            try:
                ended = [record for record in records if record.finished]
                found = dict(zip(ended, self._cluster.operations.fetch_all(ended)))
                return [found.get(record) or _unknown(record) for record in records]
            except (TransportError, SchedulerUnreachable) as error:
                if self._cluster.closed:
                    return [Outcome(error=error) for _ in records]
                logger.warning("results cannot be fetched right now, trying again: %s", error)
                time.sleep(RETRY)
            except Exception as error:  # a bug of ours must not leave every future waiting for ever
                logger.exception("results could not be fetched")
                return [Outcome(error=error) for _ in records]


def _unknown(record: JobRecord) -> Outcome:
    return Outcome(error=watched_no_more(record), lasts=False)


def _results(array: ArrayJob[T], deadline: Deadline) -> Iterator[T]:
    with UsersFrames():
        jobs, records = array.jobs, array.records
        try:
            for index, (job, record) in enumerate(zip(jobs, records)):
                left = deadline.left()
                with InterruptibleWait(records):
                    ended_in_time = job.wait(left)
                if ended_in_time and record.outcome is None:
                    later = records[index : index + READ_AT_ONCE]
                    ended = [one for one in later if one.finished and one.outcome is None]
                    record.operations.fetch_all(ended, left)
                yield job.get_result(left)
        except KeyboardInterrupt:
            raise  # see Cluster(cancel_on_interrupt=...)
        except BaseException:
            _cancel_pending([job for job in jobs if not job.is_completed()])
            raise


def _cancel_pending(jobs: Sequence[Job[Any]]) -> list[Job[Any]]:
    """Cancel those that the scheduler says have not started; returns them."""
    waiting = [job for job in jobs if job.get_status() is JobState.PENDING]
    if waiting:
        records = [record for job in waiting for record in job.records]
        records[0].operations.cancel(records)
    return waiting


def _wait_for(futures: Sequence[JobFuture[Any]], arrays: Sequence[ArrayJob[Any]]) -> None:
    with InterruptibleWait([record for future in futures for record in future.job.records]):
        wait(futures)
    for array in arrays:
        array.wait()
