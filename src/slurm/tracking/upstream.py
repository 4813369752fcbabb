"""What a job can wait for, and what of it.

Whatever can be waited for is an `Upstream`: a `slurm.job.Job` or a `slurm.array_job.ArrayJob`.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from slurm.errors import SubmissionError
from slurm.sbatch.dependency import DependencyClause, Verdict, judged

if TYPE_CHECKING:
    from typing_extensions import Self

    from slurm.array_job import ArrayJob
    from slurm.job import Job
    from slurm.job_dir.placeholder import JobResultPlaceholder
    from slurm.sbatch.array_layout import ArrayLayout
    from slurm.tracking.record import ArrayElement, JobRecord, Record


class Upstream(abc.ABC):
    """What a call can wait for: a `Job`, or an `ArrayJob`."""

    made: ClassVar[bool] = False  # whether there has been one in this process

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        Upstream.made = True
        return super().__new__(cls)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> Any:
        raise TypeError(
            f"{self!r} cannot be pickled. As an argument of a task, and in what a task returns, its result takes its "
            "place; elsewhere pass its id on, with which get_job or get_array of the cluster finds it again"
        )

    @property
    @abc.abstractmethod
    def task_name(self) -> str:
        """The name of the task it runs."""

    @property
    @abc.abstractmethod
    def is_submitted(self) -> bool:
        """Whether the scheduler has it; asking submits nothing."""

    @property
    @abc.abstractmethod
    def ids(self) -> tuple[str, ...]:
        """The scheduler's ids; what is not submitted yet is now."""

    @property
    @abc.abstractmethod
    def records(self) -> Sequence[JobRecord]:
        """What is known of each job in it; what is not submitted yet is now."""

    @property
    @abc.abstractmethod
    def known(self) -> Record:
        """What is known of all of it; what is not submitted yet is now."""

    @property
    def element(self) -> ArrayElement | None:
        """Its place in an array; None for a job by itself, and for an array."""
        return None

    @property
    def layout(self) -> ArrayLayout | None:
        """How its items lie in array tasks; None for a job."""
        return None

    @property
    def is_empty(self) -> bool:
        """Whether it is an array without items: nothing is submitted for it, and its results are none."""
        return False

    @property
    @abc.abstractmethod
    def waits_for(self) -> tuple[Dependency, ...]:
        """What it waits for itself; an array that is not submitted yet is now."""

    @property
    def dependencies(self) -> tuple[Job[Any] | ArrayJob[Any], ...]:
        """The jobs and arrays it waits for. An array that is not submitted yet is now.

        >>> with cluster:
        ...     first = double(1)
        ...     second = double(first)
        >>> second.dependencies == (first,)
        True
        """
        return tuple(dependency.on for dependency in self.waits_for)  # type: ignore[misc]

    @abc.abstractmethod
    def placeholder(self) -> JobResultPlaceholder:
        """What stands for its result among pickled arguments; what is not submitted yet is now."""


class Dependency(NamedTuple):
    """A job or an array, `on` which another waits, and what of it: a `type` of sbatch's ``--dependency``.

    ``afterok``: it ended well; ``afternotok``: it did not; ``afterany``: it ended; ``aftercorr``:
    the element of the array with the same index ended well. One that an `argument` stands for is read on the node, which
    sees whether it ended well.
    """

    on: Upstream
    type: str = "afterok"
    argument: bool = False

    @property
    def ids(self) -> tuple[str, ...]:
        """The scheduler's ids of what is waited for; an array that is not submitted yet is now."""
        return self.on.ids

    @property
    def verdict(self) -> Verdict:
        """What is known of the ends of what is waited for means for it."""
        return judged(self.type, self.on.known.ends)

    @property
    def hopeless(self) -> bool:
        """Whether it can not be met any more, and the scheduler cannot be told of it, who may have forgotten the jobs."""
        return self._broken_for_good and not self._judged_on_the_node

    @property
    def _broken_for_good(self) -> bool:
        return self.verdict is Verdict.BROKEN and not self.on.known.surely_has_its_id

    @property
    def _judged_on_the_node(self) -> bool:
        """Each element reads the result of its counterpart: those whose own ended well can run."""
        return self.type == "aftercorr" and self.argument

    @property
    def clause(self) -> DependencyClause:
        """The same as plain data, for sbatch. Raises `SubmissionError` for an id that is another job's by now."""
        lost = self.on.known.given_away
        if lost is not None:
            raise SubmissionError(
                f"nothing can wait for job {lost.id} ({lost.task_name}), which the controller has "
                "forgotten and whose id is another job's now: submit it again first"
            )
        return DependencyClause(self.type, self.ids, frozenset(self._done()))

    def _done(self) -> Iterator[str]:
        """The ids of those that have ended as they had to; an array has several where it took several submissions."""
        whole = self.verdict is Verdict.MET or (self._broken_for_good and self._judged_on_the_node)
        in_parts = len(self.ids) > 1 and self.type != "afternotok"
        for piece, job_id in enumerate(self.ids):
            if whole or (in_parts and self._is_met_by(piece)):
                yield job_id

    def _is_met_by(self, piece: int) -> bool:
        return judged(self.type, self.on.known.ends_of_piece(piece)) is Verdict.MET


def behind_empty(dependencies: Iterable[Dependency]) -> Iterator[Dependency]:
    """What is waited for by way of arrays without items: whatever those wait for themselves.

    Nothing runs for such an array, and so it ends as soon as, and as well as, what it waits for.
    """
    left = [through for dependency in dependencies for through in _through_empty(dependency)][::-1]
    seen = set()  # several ways may lead to one
    while left:
        through = left.pop()
        if through not in seen:
            seen.add(through)
            yield through
            left += _through_empty(through)[::-1]


def _through_empty(dependency: Dependency) -> list[Dependency]:
    """What an array without items waits for, as who depends on the array does; nothing for one that has items."""
    if not dependency.on.is_empty:
        return []
    same = {"aftercorr": "afterok"}  # there is nothing to pair
    return [
        Dependency(
            above.on,
            "afterany" if dependency.type == "afterany" else same.get(above.type, above.type),
        )
        for above in dependency.on.waits_for
    ]


def check_upstream(method: str, jobs: Iterable[object]) -> None:
    """Raises ``TypeError`` unless all of `jobs`, which `method` was called with, are jobs or arrays."""
    for job in jobs:
        if not isinstance(job, Upstream):
            raise TypeError(f"{method}() takes jobs, one argument each, not {type(job).__name__}")


def jobs_in(after: Any) -> Sequence[Any]:
    """What an argument ``after=`` names: a job or an array, or a list of them."""
    return after if isinstance(after, (list, tuple)) else [after]
