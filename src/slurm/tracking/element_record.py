"""What is known of one item of an array, or of several that are alike: views of what is known of the array."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slurm import forks
from slurm.api.requests import Submitted
from slurm.states import JobStatus, Observation, reduce
from slurm.tracking.record import ArrayElement, JobRecord, Watched
from slurm.tracking.subject import Subject

if TYPE_CHECKING:
    from slurm.api.site import Site
    from slurm.job_dir.result import Outcome
    from slurm.tracking.array_record import ArrayRecord
    from slurm.tracking.deadline import Moment
    from slurm.tracking.record import JobOperations
    from slurm.tracking.upstream import Dependency
    from slurm.tracking.waiting import Calls


def _got(get: Callable[[ElementRecord], object]) -> Any:
    """What is an attribute of other jobs, and is got where it is known."""
    return property(get)


class ElementRecord(JobRecord):
    """The item of an `array` at `index`. There may be any number of these for one item, all of which say the same."""

    __slots__ = ("__weakref__", "_element", "_fetching", "array", "index")

    array: ArrayRecord
    index: int
    site: Site = _got(lambda job: job.array.site)
    operations: JobOperations = _got(lambda job: job.array.operations)
    task_name: str = _got(lambda job: job.array.task_name)
    waits_for: tuple[Dependency, ...] = _got(lambda job: job.array.waits_for)
    token: str = _got(lambda job: f"{job.array.token}_{job.index}")
    options: Mapping[str, str] | None = _got(lambda job: job.array.options_of(job.index))
    outcome: Outcome | None = _got(lambda job: job.array.outcomes.get(job.index))

    def __init__(self, array: ArrayRecord, index: int) -> None:
        self.array = array
        self.index = index
        self._element: ArrayElement | None = None
        self._fetching: forks.Lock | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ElementRecord):
            return NotImplemented
        return self.array is other.array and self.index == other.index

    def __hash__(self) -> int:
        return hash((id(self.array), self.index))

    # Where it is

    @property
    def element(self) -> ArrayElement:
        if self._element is None:
            self._element = self.array.place_of(self.index)
        return self._element

    @property
    def submission(self) -> Submitted:
        return Submitted(self.id, self.job_dir, self.array.reattached)

    @property
    def id(self) -> str:
        return self.array.id_of(self.index)

    @property
    def job_dir(self) -> str:
        return self.array.directory_of(self.index)

    def note_options(self, options: Mapping[str, str]) -> None:
        self.array.note_options(self.index, options)

    # What is known of it

    @property
    def status(self) -> JobStatus:
        return self.array.status_of(self.index)

    def keep(self, outcome: Outcome) -> Outcome:
        if outcome.lasts:
            self.array.outcomes[self.index] = outcome
        return outcome

    @property
    def fetching(self) -> forks.Lock:
        with self.array.changing:
            if self._fetching is None:
                self._fetching = forks.Lock()
            return self._fetching

    @property
    def watched(self) -> Watched:
        return self.array

    @property
    def unmet(self) -> bool:
        return self.array.unmet and not self.finished

    @property
    def last_alive(self) -> Moment | None:
        return self.array.last_alive_of(self.index)

    def seen_alive(self, at: Moment) -> None:
        self.array.seen_alive(at)

    def observe(self, status: JobStatus, at: Moment | None = None) -> Calls | None:
        return self.array.observe([self.index], self.status, status, at)

    # For whoever waits for it

    def wait(self, timeout: float | None) -> bool:
        return self.array.wait_for(self.index, timeout)

    def add_callback(self, function: Callable[[], object]) -> None:
        self.array.add_callback(self.index, function)

    def future(self, make: Callable[[], Any], *, hold: bool = False) -> Any:
        return self.array.future_of(self.index, make, hold=hold)


class Items(Subject):
    """Items of an `array` that have the same `status`, of which one thing is said: those at `indices`.

    `task` is the array task that runs them, where they are of one.
    """

    __slots__ = ("_status", "array", "indices", "task")

    def __init__(
        self, array: ArrayRecord, indices: Sequence[int], status: JobStatus, task: int | None = None
    ) -> None:
        self.array: ArrayRecord = array
        self.indices: Sequence[int] = indices
        self.task: int | None = task
        self._status = status

    @property
    def status(self) -> JobStatus:
        return self._status

    @property
    def element(self) -> ArrayElement:
        return self.array.place_of(self.indices[0])

    @property
    def watched(self) -> Watched:
        return self.array

    @property
    def unmet(self) -> bool:
        return self.array.unmet and not self.finished

    @property
    def key(self) -> Hashable:
        return self.array, self.task

    @property
    def records(self) -> Iterator[JobRecord]:
        return map(self.array.element, self.indices)

    @property
    def job_ids(self) -> Sequence[str]:
        return list(dict.fromkeys(map(self.array.id_of, self.indices)))

    def after(self, seen: Observation) -> Iterator[tuple[Subject, JobStatus]]:
        for status, indices in self.array.alike(self.indices):
            yield Items(self.array, indices, status), reduce(status, seen)

    def seen_alive(self, at: Moment) -> None:
        self.array.seen_alive(at)

    def observe(self, status: JobStatus, at: Moment | None = None) -> Calls | None:
        return self.array.observe(self.indices, self._status, status, at)

    def __repr__(self) -> str:
        first = self.array.element(self.indices[0])
        more = len(self.indices) - 1
        return f"{first!r} and {more} more items of its array" if more else repr(first)
