"""A mapped task: one array of jobs, as one future of all their results."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, overload

from slurm.errors import SlurmError, SubmissionError, SubmissionUnknown
from slurm.futures import as_completed
from slurm.job import ArrayElement, Job, Promise
from slurm.job_dir.paths import ArrayDirectory
from slurm.results.aggregation import write_aggregated
from slurm.results.outcome import Outcome, fetch_outcomes
from slurm.sbatch.array_layout import ArrayLayout
from slurm.sbatch.dependency import Dependency, check_jobs
from slurm.tracking.interrupts import Waiting

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.submit.calls import ArrayCall

T = TypeVar("T")


@dataclass(frozen=True)
class SubmittedArray:
    """An array that the scheduler has: the `ids` of its submissions, and how its items lie in them."""

    ids: tuple[str, ...]
    directory: ArrayDirectory
    layout: ArrayLayout
    token: str
    waits_for: tuple[Dependency, ...] = ()
    reattached: bool = False


class Unsubmitted(Protocol):
    """What an array is until its first use: its call, and the way to submit it."""

    call: ArrayCall

    def submit(self) -> SubmittedArray:
        """Hand the array to the scheduler."""


class ArrayJob(Sequence[Job[T]], Awaitable[list[T]], Promise, Generic[T]):
    """The jobs of ``task.map(items)``: one for each item, submitted together as one Slurm array.

    Submitted on first use (an element, an iteration, a wait, a result, being an argument of another
    task) or when the ``with cluster:`` it was made in ends, whichever comes first; until then
    `after` may still add dependencies. A context that is left by an exception submits nothing more.

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
        self,
        cluster: Cluster,
        task_name: str,
        state: Unsubmitted | SubmittedArray,
    ) -> None:
        self.cluster = cluster
        self.task_name = task_name
        self._state = state
        self._submitting = threading.RLock()
        self._elements: tuple[Job[T], ...] = ()
        self._problem: BaseException | None = None
        self._aggregated = False
        self._is_being_submitted = False

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
        from slurm.submit.reattach import array_from_dir

        return array_from_dir(os.fspath(path), cluster)

    # Before it is submitted

    @property
    def is_submitted(self) -> bool:
        """Whether the scheduler has the array; asking submits nothing.

        >>> cluster.map(double, [1, 2, 3], pack=3).is_submitted
        False
        >>> array.is_submitted
        True
        """
        return isinstance(self._state, SubmittedArray)

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

    def afterany(self, *jobs: Job[Any] | ArrayJob[Any]) -> ArrayJob[T]:
        """As `after`, for `jobs` to have ended in whatever way.

        >>> cluster.map(double, [1, 2, 3], pack=3).afterany(job).get_results()
        [2, 4, 6]
        """
        return self._after(jobs, "afterany")

    def aftercorr(self, *arrays: ArrayJob[Any]) -> ArrayJob[T]:
        """As `after`, each element for the one with the same index in each of `arrays`.

        >>> again = cluster.map(double, [1, 2, 3]).aftercorr(array)
        """
        return self._after(arrays, "aftercorr")

    def _after(self, jobs: Sequence[Job[Any] | ArrayJob[Any]], kind: str) -> ArrayJob[T]:
        check_jobs(f"array.{kind.replace('afterok', 'after')}", jobs)
        if any(job is self for job in jobs):
            raise SubmissionError(f"{self!r} cannot wait for itself")
        with self._submitting:
            state = self._state
            if isinstance(state, SubmittedArray):
                raise SubmissionError(
                    f"{self!r} has been submitted, and can wait for nothing more: call .after() before "
                    f"its first use, or {self.task_name}.after(...).map(items)"
                )
            more = tuple(Dependency(job, kind) for job in jobs)
            state.call = replace(state.call, after=(*state.call.after, *more))
        return self

    def submit(self) -> ArrayJob[T]:
        """Submit the array now, unless it has been; the same array again.

        Raises what submitting a job raises, every time it is asked for: an array that could not be
        submitted stays so; `SubmissionError` for arrays that wait for each other.

        >>> array.submit() is array
        True
        """
        with self._submitting:
            if self._problem is not None:
                raise self._problem
            if not isinstance(self._state, SubmittedArray):
                if self._is_being_submitted:
                    raise SubmissionError(f"{self!r} waits for an array that waits for it")
                self._is_being_submitted = True
                try:
                    state = self._state.submit()
                except SubmissionUnknown:
                    raise  # whoever uses the array again has it looked for
                except SlurmError as error:
                    self._problem = error
                    raise
                finally:
                    self._is_being_submitted = False
                self._elements = tuple(self._element(state, index) for index in range(len(self)))
                self._state = state
                self.cluster.tracker.watch_all(self._elements)
        return self

    @property
    def is_given_up(self) -> bool:
        """Whether the array could not be, or shall not be, submitted.

        >>> array.is_given_up
        False
        """
        return self._problem is not None

    def give_up(self, reason: str) -> None:
        """Never submit this array; whoever uses it from now on is told why.

        >>> array = cluster.map(double, [1, 2, 3])
        >>> array.give_up("there is no need")
        >>> array.is_given_up
        True
        """
        with self._submitting:
            if not self.is_submitted and self._problem is None:
                self._problem = SubmissionError(f"{self!r} was not submitted: {reason}")

    def _element(self, state: SubmittedArray, index: int) -> Job[T]:
        layout = state.layout
        piece, task = layout.place_of(index)
        element = ArrayElement(
            index, state.directory, packed=layout.pack > 1, piece=piece, group=self
        )
        return Job(
            self.cluster,
            id=f"{state.ids[piece]}_{task}",
            task_name=self.task_name,
            job_dir=state.directory.element(layout.name(index)).path,
            token=f"{state.token}_{index}",
            dependencies=state.waits_for,
            reattached=state.reattached,
            element=element,
        )

    @property
    def _submitted(self) -> SubmittedArray:
        if not isinstance(self._state, SubmittedArray):
            self.submit()
        assert isinstance(self._state, SubmittedArray)  # noqa: S101 - tells type checkers
        return self._state

    # As a sequence of jobs

    def __len__(self) -> int:
        """How many items there are; asking submits nothing.

        >>> len(array)
        3
        """
        state = self._state
        if isinstance(state, SubmittedArray):
            return state.layout.count
        return len(state.call.arguments)

    def __bool__(self) -> bool:
        return True

    @overload
    def __getitem__(self, index: int) -> Job[T]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Job[T]]: ...
    def __getitem__(self, index: int | slice) -> Job[T] | list[Job[T]]:
        """The job of one item, or a list of jobs for a slice.

        >>> array[0].get_result(), [job.get_result() for job in array[1:]]
        (2, [4, 6])
        """
        jobs = self.jobs
        return list(jobs[index]) if isinstance(index, slice) else jobs[index]

    def __iter__(self) -> Iterator[Job[T]]:
        return iter(self.jobs)

    @property
    def jobs(self) -> tuple[Job[T], ...]:
        """The job of every item, in the order of the items.

        >>> [job.get_result() for job in array.jobs]
        [2, 4, 6]
        """
        state = self._submitted
        if not self._elements:
            self._elements = tuple(self._element(state, index) for index in range(len(self)))
        return self._elements

    # What it is

    @property
    def ids(self) -> tuple[str, ...]:
        """The scheduler's ids: one, or as many as `MaxArraySize` took submissions.

        >>> array.ids == (array.id,)
        True
        """
        return self._submitted.ids

    @property
    def id(self) -> str:
        """The scheduler's id of the array; several are joined by commas.

        >>> array[2].id == f"{array.id}_2"
        True
        """
        return ",".join(self.ids)

    @property
    def layout(self) -> ArrayLayout:
        """How the items lie in array tasks and directories.

        >>> array.layout.count, array.layout.pack
        (3, 1)
        """
        return self._submitted.layout

    @property
    def pack(self) -> int:
        """How many items one array task runs.

        >>> array.pack
        1
        """
        return self.layout.pack

    @property
    def job_dir(self) -> str:
        """The array's directory on the cluster.

        >>> array[2].job_dir == f"{array.job_dir}/tasks/002"
        True
        """
        return self._submitted.directory.path

    @property
    def reattached(self) -> bool:
        """Whether an earlier client submitted the array.

        >>> cluster.get_array(array.id).reattached
        True
        """
        return self._submitted.reattached

    def get_results_dir(self) -> str:
        """The directory on the cluster for aggregated results.

        Once `get_results` has had them all, ``aggregated.pkl`` in it is one pickled list of them.

        >>> array.get_results_dir() == f"{array.job_dir}/results"
        True
        """
        return self._submitted.directory.results

    def holds_others_back(self, type: str = "afterok") -> bool:
        """Whether a dependency of that `type` on the array still means something to the scheduler."""
        return any(job.holds_others_back(type) for job in self.jobs)

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
        deadline = None if timeout is None else time.monotonic() + timeout
        jobs = self.jobs
        for job in as_completed(jobs, timeout):
            if not (return_exceptions or job.is_successful()):
                raise self._first_failure(_left_until(deadline))
        outcomes = fetch_outcomes(jobs, _left_until(deadline))
        errors = [index for index, outcome in enumerate(outcomes) if outcome.error is not None]
        if errors and not return_exceptions:
            raise self._named(errors[0], outcomes[errors[0]])
        if not errors and not self._aggregated:
            done = zip(jobs, outcomes)
            write_aggregated(self.cluster.backend, self._submitted.directory, done)
            self._aggregated = True
        values: list[Any] = [one.value if one.error is None else one.error for one in outcomes]
        return values

    def _first_failure(self, patience: float | None) -> BaseException:
        """What the first item raised of those that have failed by now."""
        failed = (job for job in self.jobs if job.is_completed() and not job.is_successful())
        job = next(failed)
        [outcome] = fetch_outcomes([job], patience)
        return self._named(self.jobs.index(job), outcome)

    def _named(self, index: int, outcome: Outcome) -> BaseException:
        """The exception of an item, which says which item it is."""
        job = self.jobs[index]
        error = outcome.error or SlurmError(f"job {job.id} is {job.status.state}, yet has a result")
        _tell_index(error, index, len(self), job.id)
        return error

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until every job has ended, at most `timeout` seconds; returns whether they have.

        >>> array.wait(timeout=60)
        True
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with Waiting(self.jobs):
            return all(job.wait(_left_until(deadline)) for job in self.jobs)

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
            self.cluster.tracker.cancel(self.jobs, whole=True)

    def is_running(self) -> bool:
        """Whether any of the jobs was running when last heard of.

        >>> array.is_running()
        False
        """
        return self.is_submitted and any(job.is_running() for job in self.jobs)

    def is_completed(self) -> bool:
        """Whether every job has ended, in whatever way.

        >>> array.is_completed()
        True
        """
        return self.is_submitted and all(job.is_completed() for job in self.jobs)

    def is_successful(self) -> bool:
        """Whether every job has ended and its task returned.

        >>> array.is_successful()
        True
        """
        return self.is_submitted and all(job.is_successful() for job in self.jobs)

    # The words of concurrent.futures and asyncio

    def result(self, timeout: float | None = None) -> list[T]:
        """The same as `get_results`.

        >>> array.result()
        [2, 4, 6]
        """
        return self.get_results(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What `get_results` raises for the first item that failed, once all have ended; None for none.

        Raises the built-in ``TimeoutError`` when they have not in time.

        >>> array.exception() is None
        True
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self.wait(timeout):
            raise TimeoutError(f"{self!r} has not ended after {timeout} s")
        outcomes = fetch_outcomes(self.jobs, _left_until(deadline))
        failed = (n for n, outcome in enumerate(outcomes) if outcome.error is not None)
        index = next(failed, None)
        return None if index is None else self._named(index, outcomes[index])

    def done(self) -> bool:
        """Whether every job has ended, in whatever way; the same as `is_completed`.

        >>> array.done()
        True
        """
        return self.is_completed()

    def add_done_callback(self, function: Callable[[ArrayJob[T]], object]) -> None:
        """Have `function` called with this array when its last job has ended.

        >>> array.add_done_callback(lambda array: print(len(array), "have ended"))
        3 have ended
        """
        jobs = self.jobs
        left = [len(jobs)]
        counting = threading.Lock()

        def one_more(_: Job[T]) -> None:
            with counting:
                left[0] -= 1
                last = left[0] == 0
            if last:
                function(self)

        for job in jobs:
            job.add_done_callback(one_more)

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

        loop = asyncio.get_running_loop()
        decided = asyncio.Event()

        def told(job: Job[T] | ArrayJob[T]) -> None:
            if job is self or not job.is_successful():
                loop.call_soon_threadsafe(decided.set)

        for job in self.jobs:
            job.add_done_callback(told)
        self.add_done_callback(told)
        await decided.wait()
        return await loop.run_in_executor(None, self.get_results)

    def __repr__(self) -> str:
        state = self._state
        shown = ",".join(state.ids) if isinstance(state, SubmittedArray) else "not submitted"
        return f"<ArrayJob {shown} {self.task_name} of {len(self)}>"


def _left_until(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _tell_index(error: BaseException, index: int, count: int, job_id: str) -> None:
    """Say on an exception, which is the user's, which item of the array raised it."""
    note = f"raised by item {index} of {count} (job {job_id})"
    with contextlib.suppress(AttributeError, TypeError):  # the class may allow no attributes
        if note not in getattr(error, "__notes__", ()):
            error.__notes__ = [*getattr(error, "__notes__", ()), note]  # type: ignore[attr-defined]
        error.array_index = index  # type: ignore[attr-defined]
