"""A mapped task: one array of jobs, as one future of all their results."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from slurm import forks
from slurm.context import carrying
from slurm.errors import SubmissionError
from slurm.futures import decided
from slurm.job import Job, Promise
from slurm.job_dir.placeholder import JobResultPlaceholder
from slurm.job_dir.tracebacks import UsersFrames
from slurm.results.array_results import ArrayResults
from slurm.results.not_a_value import NotAValue
from slurm.submit.arrays import ArraySubmission, WaitingArray
from slurm.tracking.deadline import Deadline
from slurm.tracking.elements import Elements
from slurm.tracking.interrupts import InterruptibleWait
from slurm.tracking.not_ended import pending_in, summary_of
from slurm.tracking.record import JobRecord, watched_no_more
from slurm.tracking.submitted_array import SubmittedArray
from slurm.tracking.upstream import Dependency, Upstream, check_upstream

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.sbatch.array_layout import ArrayLayout
    from slurm.states import JobState
    from slurm.submit.submitter import Submitter
    from slurm.tracking.array_record import ArrayRecord

T = TypeVar("T")


class ArrayJob(NotAValue, Sequence[Job[T]], Awaitable[list[T]], Upstream, Promise, Generic[T]):
    """The jobs of ``task.map(items)``: one for each item, submitted together as one Slurm array.

    Submitted on first use (an element, an iteration, a wait, a result, being an argument of another
    task) or when the ``with cluster:`` it was made in ends, whichever comes first; until then
    `after` may still add dependencies. A context that is left by an exception submits nothing more.

    An array without items has ended, with no results, as soon as it is made. Nothing is submitted for it: its `id` and
    `job_dir` are empty, and what waits for it waits for what it was told to wait for.

    >>> from slurm import Cluster, task
    >>> @task
    ... def square(number: int) -> int:
    ...     return number * number
    >>> with Cluster("local"):
    ...     squares = square.map([1, 2, 3])
    >>> squares.get_results()
    [1, 4, 9]
    """

    def __init__(
        self, cluster: Cluster, task_name: str, state: WaitingArray | SubmittedArray
    ) -> None:
        self.cluster = cluster
        self._submitter: Submitter = cluster.submitter
        self._submission = ArraySubmission(task_name, state)
        self._record: ArrayRecord | None = None
        self._making = forks.Lock()

    @classmethod
    def from_dir(
        cls, path: str | os.PathLike[str], cluster: Cluster | None = None
    ) -> ArrayJob[Any]:
        """The array whose directory on the cluster is `path`, whoever submitted it.

        `cluster` is the active one unless given. Raises `RemoteFileMissing` when there is no array in
        `path`, `JobError` when one was prepared there and never submitted.

        >>> ArrayJob.from_dir(array.job_dir, cluster).get_results()
        [2, 4, 6]
        """
        from slurm.submit.reattach import array_in, submitter_of

        with UsersFrames():
            array: ArrayJob[Any] = array_in(os.fspath(path), submitter_of(cluster))
        return array

    @property
    def task_name(self) -> str:
        """The name of the task that was mapped.

        >>> array.task_name
        'double'
        """
        return self._submission.task_name

    # Before it is submitted

    @property
    def is_submitted(self) -> bool:
        """Whether the scheduler has the array; asking submits nothing.

        >>> cluster.map(double, [1, 2, 3], pack=3).is_submitted
        False
        >>> array.is_submitted
        True
        """
        return self._submission.submitted is not None

    @property
    def is_empty(self) -> bool:
        """Whether it has no items.

        >>> cluster.map(double, []).is_empty, array.is_empty
        (True, False)
        """
        return not len(self)

    @UsersFrames(TypeError)
    def after(self, *jobs: Job[Any] | ArrayJob[Any]) -> ArrayJob[T]:
        """Have the whole array wait for `jobs` to complete successfully; the same array again.

        As ``task.after(*jobs).map(items)``. Raises `SubmissionError` when the array has been
        submitted: Slurm would not hear of the dependency any more.

        >>> with cluster:
        ...     first = double(1)
        ...     array = double.map([1, 2, 3], pack=3).after(first)
        >>> array[0].dependencies == (first,)
        True
        """
        return self._after(jobs, "afterok")

    @UsersFrames(TypeError)
    def afterany(self, *jobs: Job[Any] | ArrayJob[Any]) -> ArrayJob[T]:
        """As `after`, for `jobs` to have ended in whatever way.

        >>> cluster.map(double, [1, 2, 3], pack=3).afterany(job).get_results()
        [2, 4, 6]
        """
        return self._after(jobs, "afterany")

    @UsersFrames(TypeError)
    def aftercorr(self, *arrays: ArrayJob[Any]) -> ArrayJob[T]:
        """As `after`, each element for the one with the same index in each of `arrays`.

        >>> again = cluster.map(double, [1, 2, 3]).aftercorr(array)
        """
        return self._after(arrays, "aftercorr")

    def _after(self, jobs: Sequence[Job[Any] | ArrayJob[Any]], kind: str) -> ArrayJob[T]:
        check_upstream(f"array.{kind.replace('afterok', 'after')}", jobs)
        if any(job is self for job in jobs):
            raise SubmissionError(f"{self!r} cannot wait for itself")
        self._submission.after([Dependency(job, kind) for job in jobs])
        return self

    def submit(self) -> ArrayJob[T]:
        """Submit the array now, unless it has been; the same array again.

        Raises what submitting a job raises, every time it is asked for: an array that could not be
        submitted stays so; `SubmissionError` for arrays that wait for each other.

        >>> array.submit() is array
        True
        """
        with UsersFrames():
            self._submission.submit(self._make_record, self._watch)
        return self

    def _make_record(self, state: SubmittedArray) -> None:
        self._record = self._submitter.array_record(self.task_name, state, self)

    def _watch(self) -> None:
        self._submitter.operations.watch([self.known])

    @property
    def is_given_up(self) -> bool:
        """Whether the array could not be, or shall not be, submitted.

        >>> array.is_given_up
        False
        """
        return self._submission.is_given_up

    def give_up(self, reason: str) -> None:
        """Never submit this array; whoever uses it from now on is told why.

        >>> array = cluster.map(double, [1, 2, 3])
        >>> array.give_up("there is no need")
        >>> array.is_given_up
        True
        """
        self._submission.give_up(reason)

    def _job(self, index: int) -> Job[T]:
        job: Job[T] = self._submitter.job_of(self.known.element(index))
        return job

    @property
    def _met(self) -> ArrayRecord:
        """What is known of it, which is looked at before the first answer about it if it was found again."""
        self.known.meet()
        return self.known

    @property
    def _watched(self) -> ArrayRecord:
        """The same, watched until it ends. Raises `SlurmError` where its cluster was closed before."""
        known = self._met
        if not known.finished:
            self._watch()
        return known

    @functools.cached_property
    def _results(self) -> ArrayResults:
        return ArrayResults(self.records, self._submitted.directory)

    @property
    def _submitted(self) -> SubmittedArray:
        if self._submission.submitted is None:
            self.submit()
        state = self._submission.submitted
        assert state is not None  # noqa: S101 - tells type checkers
        return state

    # As a sequence of jobs

    def __len__(self) -> int:
        """How many items there are; asking submits nothing.

        >>> len(array)
        3
        """
        return self._submission.count

    def __bool__(self) -> bool:
        return True

    @overload
    def __getitem__(self, index: int) -> Job[T]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Job[T]]: ...
    @UsersFrames()
    def __getitem__(self, index: int | slice) -> Job[T] | list[Job[T]]:
        """The job of one item, or a list of jobs for a slice.

        >>> array[0].get_result(), [job.get_result() for job in array[1:]]
        (2, [4, 6])
        """
        jobs = self.jobs
        return list(jobs[index]) if isinstance(index, slice) else jobs[index]

    @UsersFrames()
    def __iter__(self) -> Iterator[Job[T]]:
        return iter(self.jobs)

    @property
    @UsersFrames()
    def jobs(self) -> Sequence[Job[T]]:
        """The job of every item, in the order of the items; each is made when it is asked for.

        The job of an item is one and the same as long as anybody holds it.

        >>> [job.get_result() for job in array.jobs]
        [2, 4, 6]
        """
        return Elements(self.known, self._job)

    # What it is

    @property
    @UsersFrames()
    def ids(self) -> tuple[str, ...]:
        """The scheduler's ids: one, or as many as `MaxArraySize` took submissions.

        >>> array.ids == (array.id,)
        True
        """
        return self._submitted.ids

    @property
    @UsersFrames()
    def id(self) -> str:
        """The scheduler's id of the array; several are joined by commas.

        >>> array[2].id == f"{array.id}_2"
        True
        """
        return ",".join(self.ids)

    @property
    @UsersFrames()
    def layout(self) -> ArrayLayout:
        """How the items lie in array tasks and directories.

        >>> array.layout.count, array.layout.pack
        (3, 1)
        """
        return self._submitted.layout

    @property
    @UsersFrames()
    def pack(self) -> int:
        """How many items one array task runs.

        >>> array.pack
        1
        """
        return self.layout.pack

    @property
    @UsersFrames()
    def job_dir(self) -> str:
        """The array's directory on the cluster.

        >>> array[2].job_dir == f"{array.job_dir}/tasks/002"
        True
        """
        return self._submitted.directory.path

    @property
    @UsersFrames()
    def waits_for(self) -> tuple[Dependency, ...]:
        """What its items wait for, those among their arguments included."""
        return self._submitted.waits_for

    @property
    @UsersFrames()
    def reattached(self) -> bool:
        """Whether an earlier client submitted the array.

        >>> cluster.get_array(array.id).reattached
        True
        """
        return self._submitted.reattached

    @UsersFrames()
    def get_results_dir(self) -> str:
        """The directory on the cluster for aggregated results.

        Once `get_results` has had them all, ``aggregated.pkl`` in it is one pickled list of them.

        >>> array.get_results_dir() == f"{array.job_dir}/results"
        True
        """
        return "" if self.is_empty else self._submitted.directory.results

    # As what other jobs wait for

    @property
    @UsersFrames()
    def records(self) -> Sequence[JobRecord]:
        """What is known of each of its jobs, for the rest of the SDK."""
        return self.known.records

    @property
    @UsersFrames()
    def known(self) -> ArrayRecord:
        """What is known of all of them, for the rest of the SDK."""
        state = self._submitted
        if self._record is None:  # one that was found again
            with self._making:
                if self._record is None:
                    self._make_record(state)
        assert self._record is not None  # noqa: S101 - tells type checkers
        return self._record

    def placeholder(self) -> JobResultPlaceholder:
        """What stands for the list of its results among pickled arguments."""
        return JobResultPlaceholder(self.id, self.job_dir, len(self))

    # As a future

    def get_results(
        self, timeout: float | None = None, *, return_exceptions: bool = False
    ) -> list[T]:
        """What the task returned for each item, in the order of the items.

        Raises what the first item to fail raised, with its index in a note and as ``array_index``,
        as soon as it has failed; the others go on. With `return_exceptions`, waits for all and puts
        exceptions where there is no value. Raises the built-in ``TimeoutError`` when that takes
        more than `timeout` seconds.

        >>> array.get_results(timeout=60)
        [2, 4, 6]
        """
        with UsersFrames(TypeError, ValueError):
            deadline = Deadline(timeout)
        with UsersFrames():
            known = self._watched
            with InterruptibleWait(known.records):
                in_time = known.wait(deadline.left(), or_failed=not return_exceptions)
            if not in_time:
                raise TimeoutError(summary_of(known.records))
            if not (return_exceptions or known.successful):
                raise self._results.first_failure(deadline.left())
            return self._results.values(deadline.left(), return_exceptions=return_exceptions)

    @UsersFrames()
    def wait(self, timeout: float | None = None) -> bool:
        """Wait until every job has ended, at most `timeout` seconds; returns whether they have.

        >>> array.wait(timeout=60)
        True
        """
        with UsersFrames(TypeError, ValueError):
            deadline = Deadline(timeout)
        known = self._watched
        with InterruptibleWait(known.records):
            news = known.wait(deadline.left())
        if news and known.unfinished is not None:
            raise watched_no_more(known.unfinished)
        return news

    @UsersFrames()
    def cancel(self) -> None:
        """Have the scheduler cancel every job that has not ended; one that never was submitted never is.

        >>> array = cluster.map(double, [1, 2, 3])
        >>> array.cancel()
        >>> array.get_results()
        Traceback (most recent call last):
        slurm.errors.SubmissionError: <ArrayJob ...> was not submitted: it was cancelled
        """
        self.give_up("it was cancelled")
        if self.is_submitted:
            self._submitter.operations.cancel([self.known], whole=True)

    @UsersFrames()
    def logs(self, *, follow: bool = False, stderr: bool = False) -> Iterator[str]:
        """What its jobs have printed, line by line, each behind the index of the element: ``3| text``; see `Job.logs`.

        Items of a pack share the output of their job: there it is the number of the array task.

        >>> list(array.logs(follow=True))
        []
        """
        from slurm.results import following, logs

        self.known.meet()
        stream = logs.STDERR if stderr else logs.STDOUT
        records = following.lone(self.records)
        pieces = following.printed(records, [stream], follow=follow)
        return (piece.text for piece in following.with_prefixes(pieces))

    @UsersFrames()
    def is_running(self) -> bool:
        """Whether any of the jobs was running when last heard of.

        >>> array.is_running()
        False
        """
        return self.is_submitted and self._met.is_running

    @UsersFrames()
    def is_completed(self) -> bool:
        """Whether every job has ended, in whatever way.

        >>> array.is_completed()
        True
        """
        return self.is_empty or (self.is_submitted and self._met.finished)

    @UsersFrames()
    def is_successful(self) -> bool:
        """Whether every job has ended and its task returned.

        >>> array.is_successful()
        True
        """
        return self.is_empty or (self.is_submitted and self._met.successful)

    # The words of concurrent.futures and asyncio

    @UsersFrames()
    def result(self, timeout: float | None = None) -> list[T]:
        """The same as `get_results`.

        >>> array.result()
        [2, 4, 6]
        """
        return self.get_results(timeout)

    @UsersFrames()
    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What `get_results` raises for the first item that failed, once all have ended; None for none.

        Raises the built-in ``TimeoutError`` when they have not in time.

        >>> array.exception() is None
        True
        """
        with UsersFrames(TypeError, ValueError):
            deadline = Deadline(timeout)
        if not self.wait(timeout):
            raise TimeoutError(f"{self._submission}: {summary_of(self.records)}")
        return self._results.error(deadline.left())

    def done(self) -> bool:
        """Whether every job has ended, in whatever way; the same as `is_completed`.

        >>> array.done()
        True
        """
        return self.is_completed()

    @UsersFrames()
    def add_done_callback(self, function: Callable[[ArrayJob[T]], object]) -> None:
        """Have `function` called with this array when its last job has ended.

        >>> array.add_done_callback(lambda array: print(len(array), "have ended"))
        3 have ended
        """
        self._watched.call_when_all_have_ended(functools.partial(carrying(function), self))

    def __await__(self) -> Generator[Any, None, list[T]]:
        """``await array`` gives its results and leaves the event loop free meanwhile.

        >>> import asyncio
        >>> async def main() -> list[int]:
        ...     return await array
        >>> asyncio.run(main())
        [2, 4, 6]
        """
        return self._awaited().__await__()

    async def _awaited(self) -> list[T]:
        import asyncio

        with UsersFrames():
            await decided(self._watched)
            return await asyncio.get_running_loop().run_in_executor(None, self.get_results)

    def __repr__(self) -> str:
        shown = str(self._submission)
        counted = self._record.states.counted() if self._record is not None else ()
        waiting = pending_in(counted)
        return f"{shown[:-1]}, {waiting}>" if waiting else shown

    def _repr_html_(self) -> str:
        """What a notebook shows: how many items are in which state, why others wait. Nobody is asked, nothing submitted."""
        from slurm.job_tree import cards, markup

        title = f"Array of {len(self)}, {self.task_name}"
        if self.is_empty:
            return cards.card(title, [("state", "nothing to do")])
        if not self.is_submitted:
            why = "it is when it is used, by array.submit(), or at the end of the block"
            return cards.card(title, [("state", f"not submitted yet: {why}")])
        counted = self.known.states.counted()
        counts: Counter[JobState] = Counter()
        for status, count in counted.items():
            counts[status.state] += count
        rows = [("progress", cards.progress(counts, len(self)))]
        waiting = pending_in(counted)
        rows += [("waiting", markup.escaped(waiting))] if waiting else []
        is_here = self.cluster.backend.shares_filesystem
        rows += [("directory", cards.path(self.job_dir, is_here=is_here))]
        return cards.card(f"{title}, job {', '.join(self.ids)}", rows)
