"""A submitted job as a future of its task's return value."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from slurm import errors
from slurm.context import carrying
from slurm.job_dir.placeholder import JobResultPlaceholder
from slurm.job_dir.tracebacks import UsersFrames
from slurm.results.not_a_value import NotASequence, NotAValue
from slurm.states import ACTIVE, JobState, JobStatus
from slurm.tracking.deadline import Deadline, seconds_of
from slurm.tracking.interrupts import InterruptibleWait
from slurm.tracking.not_ended import advice_for, words_for
from slurm.tracking.record import ArrayElement, JobRecord, watched_no_more
from slurm.tracking.upstream import Upstream

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.job_dir.paths import JobDirectory
    from slurm.job_dir.result import Outcome
    from slurm.results.efficiency import Efficiency
    from slurm.tracking.upstream import Dependency

T = TypeVar("T")

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


class Job(NotAValue, NotASequence, Awaitable[T], Upstream, Promise, Generic[T]):
    """A job that was submitted. Passing it to another task makes that task depend on it.

    Attributes: `task_name`; `element`, its place in an array, None for a job by itself.

    The job of the examples that follow is this one:

    >>> from slurm import Cluster
    >>> with Cluster("local"):
    ...     job = double(21)
    >>> job.get_result()
    42
    """

    def __init__(self, cluster: Cluster, record: JobRecord) -> None:
        self.cluster = cluster
        self._record = record

    @classmethod
    def from_dir(cls, path: str | os.PathLike[str], cluster: Cluster | None = None) -> Job[Any]:
        """The job whose directory on the cluster is `path`, whoever submitted it.

        `cluster` is the active one unless given. Raises `RemoteFileMissing` when there is no job in
        `path`, `JobError` when one was prepared there and never submitted.

        >>> Job.from_dir(job.job_dir, cluster).get_result()
        42
        """
        from slurm.submit.reattach import job_in, submitter_of

        with UsersFrames():
            job: Job[Any] = job_in(os.fspath(path), submitter_of(cluster))
        return job

    @property
    def task_name(self) -> str:
        """The name of its task.

        >>> job.task_name
        'double'
        """
        return self._record.task_name

    @property
    def element(self) -> ArrayElement | None:
        """Its place in an array; None for a job by itself.

        >>> array[2].element.index
        2
        """
        return self._record.element

    @property
    @UsersFrames()
    def id(self) -> str:
        """The scheduler's job id; ``12_3`` for an element of an array.

        Of a job in an open batch it is asked for now, as are `job_dir` and `reattached`: all that was
        called so far is submitted then. Raises what submitting a job raises.

        >>> job.id.isdigit()
        True
        """
        return self._record.id

    @property
    @UsersFrames()
    def job_dir(self) -> str:
        """The job's directory on the cluster.

        >>> job.job_dir.startswith(f"{cluster.job_base_dir}/double/")
        True
        """
        return self._record.job_dir

    @property
    @UsersFrames()
    def reattached(self) -> bool:
        """Whether an earlier submission made the job, with the same key or not by this program.

        >>> cluster.get_job(job.id).reattached
        True
        """
        return self._record.submission.reattached

    @property
    def waits_for(self) -> tuple[Dependency, ...]:
        """What it waits for, that among its arguments included."""
        return self._record.waits_for

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
        return self._record.directory

    @property
    def status(self) -> JobStatus:
        """What is known of the job at this moment, without asking anybody.

        >>> job.status.finished, job.status.state == "COMPLETED"
        (True, True)
        """
        return self._watched.status

    @UsersFrames()
    def get_status(self) -> JobState:
        """The job's state, from the scheduler unless it was asked a moment ago.

        Equal to Slurm's word for it: ``job.get_status() == "RUNNING"``. A state from which a requeued
        job may come back (NODE_FAIL, PREEMPTED) is looked at a few times before it is believed. Raises
        `TransportError` or `SchedulerUnreachable` when nobody answers.

        >>> job.get_status() == "COMPLETED"
        True
        """
        if not self._record.status.finished:
            self._record.meet()  # together with all others that were found again
            self._record.operations.refresh(self._record)
        return self._record.status.state

    @UsersFrames()
    def is_running(self) -> bool:
        """Whether the job was running when last heard of.

        >>> job.is_running()
        False
        """
        status = self._met.status
        return not status.finished and status.state in ACTIVE

    @UsersFrames()
    def is_completed(self) -> bool:
        """Whether the job has ended, in whatever way.

        >>> job.is_completed()
        True
        """
        return self._met.status.finished

    @UsersFrames()
    def is_successful(self) -> bool:
        """Whether the job has ended and its task returned.

        >>> job.is_successful()
        True
        """
        return self._met.successful

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the job has ended, at most `timeout` seconds; returns whether it has.

        Raises `SlurmError` when the cluster was closed, now or while waiting.

        >>> job.wait(timeout=60)
        True
        """
        with UsersFrames(TypeError, ValueError):
            seconds = seconds_of(timeout)
        with UsersFrames():
            record = self._met
            if record.finished:
                return True
            record.operations.watch([record])
            with InterruptibleWait([record]):
                news = record.wait(seconds)
            if news and not record.finished:
                raise watched_no_more(record)
        return record.finished

    @UsersFrames()
    def cancel(self) -> None:
        """Have the scheduler cancel the job. A job that has ended already stays as it is.

        So does another job that has got this one's id: the scheduler is asked first.

        >>> import time
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
        self._record.operations.cancel([self._record])

    def get_result(self, timeout: float | None = None) -> T:
        """What the task returned; waits for it at most `timeout` seconds.

        Raises what the task raised (with the remote traceback as ``__cause__``), a `JobFailed` when
        the job ended without an answer, a `ResultError` when there is none to be had, and the
        built-in ``TimeoutError`` when the job has not ended in time, with the scheduler's reason while it waits.

        >>> job.get_result(timeout=60)
        42
        """
        with UsersFrames(TypeError, ValueError):
            deadline = Deadline(timeout)
        with UsersFrames():
            result: T = self._outcome_within(deadline, timeout).get()
        return result

    def _outcome_within(self, deadline: Deadline, timeout: float | None) -> Outcome:
        """What became of the job; raises only what says nothing about it."""
        record = self._record
        late = f"job {self.id} ({self.task_name}) is {{}} after {timeout} s"
        if not self.wait(deadline.left()):
            raise TimeoutError(late.format(words_for(record.status)) + advice_for([record.status]))
        left = deadline.left()
        if not record.fetching.acquire(timeout=-1 if left is None else left):
            raise TimeoutError(late.format("being fetched"))
        try:
            return record.operations.fetch(record, left)
        finally:
            record.fetching.release()

    # The words of concurrent.futures and asyncio

    @UsersFrames()
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
        with UsersFrames(TypeError, ValueError):
            deadline = Deadline(timeout)
        with UsersFrames():
            return self._outcome_within(deadline, timeout).error

    def done(self) -> bool:
        """Whether the job has ended, in whatever way; the same as `is_completed`.

        >>> job.done()
        True
        """
        return self.is_completed()

    @UsersFrames()
    def add_done_callback(self, function: Callable[[Job[T]], object]) -> None:
        """Have `function` called with this job when it has ended; at once if it has already.

        It is called in a thread that watches the cluster, or in one that asks for a status, one at a
        time, and should be quick; the context that is active now is active there. What it raises is
        logged.

        >>> job.add_done_callback(lambda job: print(job.task_name, "has ended"))
        double has ended
        """
        record = self._record
        record.operations.watch([record])
        record.add_callback(functools.partial(carrying(function), self))

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

        with UsersFrames():
            loop = asyncio.get_running_loop()
            ended = asyncio.Event()
            self.add_done_callback(lambda job: loop.call_soon_threadsafe(ended.set))
            await ended.wait()
            outcome = await loop.run_in_executor(None, self._outcome_within, Deadline(None), None)
            result: T = outcome.get()
        return result

    @UsersFrames()
    def efficiency(self) -> Efficiency:
        """What the job used of what it asked for: processors, memory and time, with advice in sbatch's options.

        While it runs, what it has used so far. None where nobody tells. Of an item of a pack it is what its job used.

        >>> used = job.efficiency()
        >>> used.job_id == job.id, used.cpus
        (True, 1)
        """
        from slurm.results.efficiency import (
            of_record,
        )  # late: as all that only few jobs are asked for

        self.get_status()
        return of_record(self._record)

    @UsersFrames()
    def get_stdout(self) -> str:
        """What the job has printed so far: what is in the file that its option ``output`` names, if it has one.

        Nothing before it has begun. Raises `RemoteFileMissing` where it has, and its file cannot be had from here, as
        one on a disk of its node.

        >>> job.get_stdout()
        ''
        """
        from slurm.results import logs  # late: as all that only few jobs are asked for

        return logs.read(self._record, logs.STDOUT)

    @UsersFrames()
    def get_stderr(self) -> str:
        """As `get_stdout`, what it has printed to stderr, log records among it; ``error`` is the option.

        >>> job.get_stderr()
        ''
        """
        from slurm.results import logs

        return logs.read(self._record, logs.STDERR)

    @UsersFrames()
    def logs(self, *, follow: bool = False, stderr: bool = False) -> Iterator[str]:
        """What the job has printed, in pieces of text as they come; with `stderr` what it has printed there.

        With `follow` it goes on until the job has ended, through requeues, and waits for one that has not begun. Of an item
        of a pack it is what all items print that run in its job. Raises `RemoteFileMissing` where the file cannot be had
        from here, as one on a disk of its node, and `SlurmError` where the cluster is closed before the job has ended.

        >>> "".join(job.logs(follow=True))
        ''
        """
        from slurm.results import following, logs

        self._record.meet()
        stream = logs.STDERR if stderr else logs.STDOUT
        return (piece.text for piece in following.printed([self._record], [stream], follow=follow))

    @property
    @UsersFrames()
    def stdout_path(self) -> str:
        """The file on the cluster that takes what the job prints.

        >>> job.stdout_path == f"{job.job_dir}/slurm_{job.id}.out"
        True
        """
        from slurm.results import logs

        return logs.path_of(self._record, logs.STDOUT)

    @property
    @UsersFrames()
    def stderr_path(self) -> str:
        """The file on the cluster that takes what the job prints to stderr.

        >>> job.stderr_path == f"{job.job_dir}/slurm_{job.id}.err"
        True
        """
        from slurm.results import logs

        return logs.path_of(self._record, logs.STDERR)

    # As what other jobs wait for

    @property
    def is_submitted(self) -> bool:
        """Whether the scheduler has it: False in an open batch.

        >>> job.is_submitted
        True
        """
        return self._record.is_submitted

    @property
    def records(self) -> tuple[JobRecord, ...]:
        """What is known of it, for the rest of the SDK."""
        return (self._record,)

    @property
    def known(self) -> JobRecord:
        """The same, as whoever waits for it asks."""
        return self._record

    def placeholder(self) -> JobResultPlaceholder:
        """What stands for its result among pickled arguments."""
        return JobResultPlaceholder(self.id, self.job_dir)

    # A job that was found again is watched from its first use, and looked at before the first answer about it

    @property
    def _met(self) -> JobRecord:
        self._record.meet()
        return self._record

    @property
    def _watched(self) -> JobRecord:
        record = self._record
        if record.unmet:
            with contextlib.suppress(errors.SlurmError):  # of a cluster that was closed
                record.operations.watch([record])
        return record

    def __repr__(self) -> str:
        return repr(self._watched)

    def _repr_html_(self) -> str:
        """What a notebook shows: its state, why it waits, where its files are. Nobody is asked for it."""
        from slurm.job_tree import cards, markup

        record = self._watched
        if not record.is_submitted:
            return cards.card(f"Job {self.task_name}", [("state", "not submitted yet")])
        status, is_here = record.status, self.cluster.backend.shares_filesystem
        rows = [("state", cards.state_in_words(status))]
        rows += [("node", markup.escaped(status.node))] if status.node else []
        waits = ", ".join(f"{one.type} {' '.join(one.ids)}" for one in self.waits_for)
        rows += [("waits for", markup.escaped(waits))] if waits else []
        rows += [("directory", cards.path(record.job_dir, is_here=is_here))]
        return cards.card(f"Job {record.id} {self.task_name}", rows)
