"""A submitted job as a future of its task's return value."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from slurm import errors
from slurm.api.requests import Submitted
from slurm.context import carrying
from slurm.job_dir.paths import ArrayDirectory, JobDirectory
from slurm.results.outcome import Outcome, fetch_outcome, keep
from slurm.sbatch.dependency import Dependency
from slurm.states import ACTIVE, JobState, JobStatus
from slurm.tracking.interrupts import Waiting

if TYPE_CHECKING:
    from slurm.array_job import ArrayJob
    from slurm.cluster import Cluster

logger: logging.Logger = logging.getLogger(__name__)

T = TypeVar("T")

DEPENDENCY_GRACE = 30.0

if TYPE_CHECKING:

    class _Dynamic(type):
        """Makes classes whose bases only the call knows that makes them."""

    # A class statement with Any as a base would do as well, if `pyright --verifytypes` did not count such a class, and
    # all that takes or returns one, as untyped.
    _Untyped = _Dynamic("_Untyped", (cast(Any, object),), {})

    class Promise(_Untyped):  # type: ignore[valid-type, misc]
        """Derives from Any, so that it is accepted everywhere.

        That also hides protocols: a class that is to be awaited or iterated over names those bases before this one.
        """
else:

    class Promise:
        """At run time a job is a job; calling a task with one makes it a dependency."""


@dataclass(frozen=True)
class ArrayElement:
    """Which item of an array a job runs: the item's `index`; `packed` when its job runs others as well.

    `piece` says in which of the array's submissions; `group` is the `ArrayJob` that made the future,
    where one did.
    """

    index: int
    array: ArrayDirectory
    packed: bool = False
    piece: int = 0
    group: ArrayJob[Any] | None = field(default=None, repr=False, compare=False)


class Job(Awaitable[T], Promise, Generic[T]):
    """A job that was submitted. Passing it to another task makes that task depend on it.

    Attributes: `task_name`; `element`, its place in an array, None for a job by itself.

    The job of the examples that follow is this one:

    >>> from slurm import Cluster
    >>> with Cluster("local"):
    ...     job = double(21)
    >>> job.get_result()
    42
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        id: str,
        task_name: str,
        job_dir: str,
        token: str,
        dependencies: Sequence[Dependency] = (),
        reattached: bool = False,
        element: ArrayElement | None = None,
    ) -> None:
        self.cluster = cluster
        self._made = Submitted(id, job_dir, reattached)
        self.task_name = task_name
        self.token = token
        self.waits_for: tuple[Dependency, ...] = tuple(dependencies)
        self.element = element
        self._status = JobStatus()
        self._news = threading.Event()  # finished, or nobody watches any more
        self._finished_at = 0.0
        self._callbacks: list[Callable[[Job[T]], object]] = []
        self._callbacks_changing = threading.Lock()
        self._fetching = threading.Lock()
        self.outcome: Outcome | None = None

    @classmethod
    def from_dir(cls, path: str | os.PathLike[str], cluster: Cluster | None = None) -> Job[Any]:
        """The job whose directory on the cluster is `path`, whoever submitted it.

        `cluster` is the active one unless given. Raises `RemoteFileMissing` when there is no job in
        `path`, `JobError` when one was prepared there and never submitted.

        >>> Job.from_dir(job.job_dir, cluster).get_result()
        42
        """
        from slurm.submit.reattach import job_from_dir

        return job_from_dir(os.fspath(path), cluster)

    @property
    def id(self) -> str:
        """The scheduler's job id; ``12_3`` for an element of an array.

        Of a job in an open batch it is asked for now, as are `job_dir` and `reattached`: all that was
        called so far is submitted then. Raises what submitting a job raises.

        >>> job.id.isdigit()
        True
        """
        return self._submission().job_id

    @property
    def job_dir(self) -> str:
        """The job's directory on the cluster.

        >>> job.job_dir.startswith(f"{cluster.job_base_dir}/double/")
        True
        """
        return self._submission().job_dir

    @property
    def reattached(self) -> bool:
        """Whether an earlier submission made the job, with the same key or not by this program.

        >>> cluster.get_job(job.id).reattached
        True
        """
        return self._submission().reattached

    def _submission(self) -> Submitted:
        return self._made

    @property
    def dependencies(self) -> tuple[Job[Any] | ArrayJob[Any], ...]:
        """The jobs and arrays this job waits for; `waits_for` says of each what it must have come to.

        >>> with cluster:
        ...     first = double(1)
        ...     second = double(first)
        >>> second.dependencies == (first,)
        True
        """
        return tuple(dependency.on for dependency in self.waits_for)

    @property
    def ids(self) -> tuple[str, ...]:
        """The job's id, as an array has several."""
        return (self.id,)

    @property
    def job_id(self) -> str:
        """The scheduler's job id; the same as `id`.

        >>> job.job_id == job.id
        True
        """
        return self.id

    @property
    def target_job_dir(self) -> str:
        """The job's directory on the cluster; the same as `job_dir`.

        >>> job.target_job_dir == job.job_dir
        True
        """
        return self.job_dir

    @property
    def directory(self) -> JobDirectory:
        """The paths of the job's files on the cluster.

        >>> job.directory.result == f"{job.job_dir}/result.pkl"
        True
        """
        return JobDirectory(self.job_dir)

    @property
    def status(self) -> JobStatus:
        """What is known of the job at this moment, without asking anybody.

        >>> job.status.finished, job.status.state == "COMPLETED"
        (True, True)
        """
        return self._status

    def get_status(self) -> JobState:
        """The job's state, from the scheduler unless it was asked a moment ago.

        Equal to Slurm's word for it: ``job.get_status() == "RUNNING"``. A state from which a requeued
        job may come back (NODE_FAIL, PREEMPTED) is looked at a few times before it is believed. Raises
        `TransportError` or `SchedulerUnreachable` when nobody answers.

        >>> job.get_status() == "COMPLETED"
        True
        """
        if not self._status.finished:
            self.cluster.tracker.refresh(self)
        return self._status.state

    def is_running(self) -> bool:
        """Whether the job was running when last heard of.

        >>> job.is_running()
        False
        """
        return not self._status.finished and self._status.state in ACTIVE

    def is_completed(self) -> bool:
        """Whether the job has ended, in whatever way.

        >>> job.is_completed()
        True
        """
        return self._status.finished

    def is_successful(self) -> bool:
        """Whether the job has ended and its task returned.

        >>> job.is_successful()
        True
        """
        return self.is_completed() and self._status.state is JobState.COMPLETED

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the job has ended, at most `timeout` seconds; returns whether it has.

        Raises `SlurmError` when the cluster was closed, now or while waiting.

        >>> job.wait(timeout=60)
        True
        """
        if not self.is_completed():
            self.cluster.tracker.watch(self)
        with Waiting([self]):
            news = self._news.wait(timeout)
        if news and not self.is_completed():
            raise errors.SlurmError(f"job {self.id} is watched no more: its cluster was closed")
        return self.is_completed()

    def cancel(self) -> None:
        """Have the scheduler cancel the job. A job that has ended already stays as it is.

        So does another job that has got this one's id: the scheduler is asked first.

        >>> from slurm import task
        >>> @task
        ... def wait(seconds: float) -> None:
        ...     time.sleep(seconds)
        >>> with cluster:
        ...     waiting = wait(3600)
        >>> waiting.cancel()
        >>> type(waiting.exception()).__name__
        'JobCancelled'
        """
        self.cluster.tracker.cancel([self])

    def get_result(self, timeout: float | None = None) -> T:
        """What the task returned; waits for it at most `timeout` seconds.

        Raises what the task raised (with the remote traceback as ``__cause__``), a `JobFailed` when
        the job ended without an answer, a `ResultError` when there is none to be had, and the
        built-in ``TimeoutError`` when the job has not ended in time.

        >>> job.get_result(timeout=60)
        42
        """
        result: T = self._outcome_within(timeout).get()
        return result

    def _outcome_within(self, timeout: float | None) -> Outcome:
        """What became of the job; raises only what says nothing about it."""
        deadline = None if timeout is None else time.monotonic() + timeout
        late = f"job {self.id} ({self.task_name}) is {{}} after {timeout} s"
        if not self.wait(timeout):
            raise TimeoutError(late.format(self._status.state))
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not self._fetching.acquire(timeout=-1 if left is None else left):
            raise TimeoutError(late.format("being fetched"))
        try:
            if self.outcome is None:
                with self.cluster.listener.fetching([self]) as progress:
                    return keep(self, fetch_outcome(self, left, progress))
            return self.outcome
        finally:
            self._fetching.release()

    # The words of concurrent.futures and asyncio

    def result(self, timeout: float | None = None) -> T:
        """The same as `get_result`.

        >>> job.result()
        42
        """
        return self.get_result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the job failed with: what `get_result` raises; None for a job that has a result.

        Raises the built-in ``TimeoutError`` when the job has not ended in time, and what says nothing
        about the job, such as `TransportError`.

        >>> job.exception() is None
        True
        """
        return self._outcome_within(timeout).error

    def done(self) -> bool:
        """Whether the job has ended, in whatever way; the same as `is_completed`.

        >>> job.done()
        True
        """
        return self.is_completed()

    def add_done_callback(self, function: Callable[[Job[T]], object]) -> None:
        """Have `function` called with this job when it has ended; at once if it has already.

        It is called in a thread that watches the cluster, or in one that asks for a status, one at a
        time, and should be quick; the context that is active now is active there. What it raises is
        logged.

        >>> job.add_done_callback(lambda job: print(job.task_name, "has ended"))
        double has ended
        """
        self.cluster.tracker.watch(self)
        with self._callbacks_changing:
            if not self._news.is_set():
                self._callbacks.append(carrying(function))
                return
        self._call_back(function)

    def __await__(self) -> Generator[Any, None, T]:
        """``await job`` gives its result and leaves the event loop free meanwhile.

        >>> import asyncio
        >>> async def main() -> int:
        ...     return await job
        >>> asyncio.run(main())
        42
        """
        return self._awaited().__await__()

    async def _awaited(self) -> T:
        import asyncio

        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        self.add_done_callback(lambda job: loop.call_soon_threadsafe(ended.set))
        await ended.wait()
        return await loop.run_in_executor(None, self.get_result)

    def get_stdout(self) -> str:
        """What the job has printed so far.

        >>> job.get_stdout()
        ''
        """
        return self._read_output(self.stdout_path)

    def get_stderr(self) -> str:
        """What the job has printed to stderr so far, log records among it.

        >>> job.get_stderr()
        ''
        """
        return self._read_output(self.stderr_path)

    @property
    def stdout_path(self) -> str:
        """The file on the cluster that takes what the job prints.

        >>> job.stdout_path == f"{job.job_dir}/slurm_{job.id}.out"
        True
        """
        return self._log_directory.stdout(self.id)

    @property
    def stderr_path(self) -> str:
        """The file on the cluster that takes what the job prints to stderr.

        >>> job.stderr_path == f"{job.job_dir}/slurm_{job.id}.err"
        True
        """
        return self._log_directory.stderr(self.id)

    @property
    def _log_directory(self) -> JobDirectory:
        packed = self.element is not None and self.element.packed
        return JobDirectory(self.element.array.path) if packed and self.element else self.directory

    def _read_output(self, path: str) -> str:
        try:
            return self.cluster.backend.read_file(path).decode("utf-8", "replace")
        except errors.RemoteFileMissing:
            return ""

    def holds_others_back(self, type: str = "afterok") -> bool:
        """Whether a dependency of that `type` on this job still means something to the scheduler.

        Slurm forgets a finished job after its MinJobAge (300 s unless the site says otherwise) and
        from then on refuses dependencies on it.
        """
        wanted = type == "afterany" or self.is_successful() == (type != "afternotok")
        if not (self.is_completed() and wanted):
            return True
        recent = time.monotonic() - self._finished_at < DEPENDENCY_GRACE
        return recent and not self._status.forgotten

    def _observed(self, status: JobStatus) -> None:
        """The tracker's news. The last one ends every wait."""
        if status.finished:
            self._finished_at = time.monotonic()
        self._status = status
        if status.finished:
            with self._callbacks_changing:
                self._news.set()

    def _call_back_all(self) -> None:
        """Tell everybody who asked to be told; not under any lock, for they may do anything."""
        while True:
            with self._callbacks_changing:
                if not self._callbacks:
                    return
                function = self._callbacks.pop(0)
            self._call_back(function)

    def _call_back(self, function: Callable[[Job[T]], object]) -> None:
        try:
            function(self)
        except BaseException as error:
            # The user's own; it must not end a thread that watches all jobs.
            pressed = isinstance(error, KeyboardInterrupt)
            if pressed and threading.current_thread() is threading.main_thread():
                raise
            logger.exception("a callback of job %s failed", self.id)

    def _abandoned(self) -> None:
        """The tracker's last word on a job it does not watch to its end."""
        with self._callbacks_changing:
            self._news.set()
        self._call_back_all()

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.task_name} {self._status.state}>"
