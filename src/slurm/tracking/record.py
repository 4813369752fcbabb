"""What is known of a job or of an array, as the tracker, `slurm.results` and callbacks handle it.

A `JobRecord` is that of one job: a `slurm.tracking.lone_record.LoneRecord`, or that of an item of an array, which is a
view of what its `slurm.tracking.array_record.ArrayRecord` knows of all of them. What it waits for is in
`slurm.tracking.upstream`.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slurm.errors import SlurmError
from slurm.job_dir.paths import JobDirectory
from slurm.tracking.deadline import Moment
from slurm.tracking.not_ended import words_for
from slurm.tracking.subject import Subject

if TYPE_CHECKING:
    from slurm import forks
    from slurm.api.requests import Submitted
    from slurm.api.site import Site
    from slurm.job_dir.paths import ArrayDirectory
    from slurm.job_dir.result import Outcome
    from slurm.tracking.upstream import Dependency, Upstream

# Seconds in which the id of a job that has not ended is not given to another. Slurm keeps an ended one for its MinJobAge
# (slurm.conf(5): 300 s unless the site says otherwise); then it refuses dependencies on it, and its id is free.
SURE_OF_ID = 60.0


class ArrayElement:
    """Which item of an array a job runs: the item's `index`; `packed` when its job runs others as well.

    `piece` says in which of the array's submissions; `group` is the array that made the future,
    where one did.
    """

    __slots__ = ("array", "group", "index", "packed", "piece")

    def __init__(
        self,
        index: int,
        array: ArrayDirectory,
        packed: bool = False,
        piece: int = 0,
        group: Upstream | None = None,
    ) -> None:
        self.index: int = index
        self.array: ArrayDirectory = array
        self.packed: bool = packed
        self.piece: int = piece
        self.group: Upstream | None = group


class Record(abc.ABC):
    """What is known of a job, or of an array as a whole.

    - `site`, `operations`: where it was submitted to, and what can be done with it.
    - `task_name`; `token`: of its submission; `waits_for`: what must come before it.
    """

    __slots__ = ()

    site: Site
    operations: JobOperations
    task_name: str
    token: str
    waits_for: tuple[Dependency, ...]

    @property
    @abc.abstractmethod
    def watched(self) -> Watched:
        """What a tracker watches for its sake: for an item the whole array."""

    @property
    @abc.abstractmethod
    def finished(self) -> bool:
        """Whether it has ended, in whatever way; of an array all of it."""

    @property
    @abc.abstractmethod
    def unmet(self) -> bool:
        """Whether it was found again, and nobody has said anything of it since."""

    @property
    @abc.abstractmethod
    def uncertain(self) -> bool:
        """Whether it was seen in a state that ends it only if it stays; of an array any of it."""

    @property
    @abc.abstractmethod
    def ends(self) -> Collection[bool | None]:
        """How it ended, well or not, None where nobody knows that it has; of an array each that there is."""

    def ends_of_piece(self, number: int) -> Collection[bool | None]:
        """The same of one of an array's submissions."""
        return self.ends

    @property
    @abc.abstractmethod
    def last_alive(self) -> Moment | None:
        """When it was heard last that it had not ended; None where nobody has said so."""

    @property
    @abc.abstractmethod
    def given_away(self) -> JobRecord | None:
        """The job in it whose id is another's by now, though it has not ended."""

    @property
    def surely_has_its_id(self) -> bool:
        """Whether it was a moment ago that it had not ended: its id can be no other job's yet."""
        moment = self.last_alive
        return moment is not None and moment.seconds_ago < SURE_OF_ID

    def confirm(self) -> None:
        """Have it looked at, if it may have ended by now and its id may be another's. Raises `SlurmError`."""
        if self.unmet:
            self.meet()
        elif not self.finished and not self.surely_has_its_id:
            self.operations.refresh(self)

    def meet(self) -> None:
        """Have what was found again looked at, once, before the first answer about it."""
        if self.unmet:
            self.operations.meet()


class Watched(Record):
    """What a tracker watches: a job by itself, or an array."""

    __slots__ = ()

    @property
    def watched(self) -> Watched:
        return self

    @property
    @abc.abstractmethod
    def ids(self) -> tuple[str, ...]:
        """The scheduler's ids: one, or as many as an array took submissions. A job of an open batch is submitted now."""

    @abc.abstractmethod
    def live_records(self) -> Iterable[JobRecord]:
        """Those of the jobs in it that have not ended."""

    def live_items(self, indices: Iterable[int]) -> Iterable[Subject]:
        """Those of an array's items at `indices` that have not ended, alike ones together."""
        return ()

    @abc.abstractmethod
    def met(self) -> None:
        """Take notice that the scheduler has answered about it."""

    @abc.abstractmethod
    def abandon(self) -> None:
        """Take notice that the tracker watches it no more, though it has not ended."""


class JobRecord(Subject, Record):
    """One job: where it is, what the scheduler said of it last, and what became of it.

    - `options`: sbatch's options in its script; None where they have to be read from there.
    - `outcome`: what became of it, once somebody has asked.
    """

    __slots__ = ()

    options: Mapping[str, str] | None
    outcome: Outcome | None

    # Where it is

    @property
    @abc.abstractmethod
    def submission(self) -> Submitted:
        """The scheduler's answer. Of a job in an open batch it is asked for now; raises what that raises."""

    @abc.abstractmethod
    def note_options(self, options: Mapping[str, str]) -> None:
        """Its options have been read from its script."""

    @property
    def is_submitted(self) -> bool:
        """Whether the scheduler's answer is known; asking submits nothing."""
        return True

    @property
    def id(self) -> str:
        """The scheduler's id."""
        return self.submission.job_id

    @property
    def job_dir(self) -> str:
        """The job's directory on the cluster."""
        return self.submission.job_dir

    @property
    def directory(self) -> JobDirectory:
        """The paths of the job's files."""
        return JobDirectory(self.job_dir)

    @property
    def log_directory(self) -> JobDirectory:
        """Where its output is: items that share a job share its output, in the directory of the array."""
        element = self.element
        shares = element is not None and element.packed
        return (
            JobDirectory(element.array.path) if element is not None and shares else self.directory
        )

    # What is known of it

    @property
    @abc.abstractmethod
    def fetching(self) -> forks.Lock:
        """Held by whoever reads what became of it."""

    @property
    def successful(self) -> bool:
        """Whether it has ended and its task returned."""
        return self.ended_well is True

    @property
    def ended_well(self) -> bool | None:
        """Whether it ended as its dependents want; None where nobody knows that it has ended."""
        return self.status.ended_well

    @property
    def ends(self) -> Collection[bool | None]:
        return (self.ended_well,)

    @property
    def uncertain(self) -> bool:
        return self.status.uncertain

    @property
    def given_away(self) -> JobRecord | None:
        return self if self.status.reused and not self.finished else None

    @abc.abstractmethod
    def keep(self, outcome: Outcome) -> Outcome:
        """Remember what became of it, if that is for good; returns it."""

    # For whoever waits for it

    @abc.abstractmethod
    def wait(self, timeout: float | None) -> bool:
        """Wait for the end, or until nobody watches any more; whether either came in time."""

    @abc.abstractmethod
    def add_callback(self, function: Callable[[], object]) -> None:
        """Have `function` called when the job has ended; at once if it has."""

    @abc.abstractmethod
    def future(self, make: Callable[[], Any], *, hold: bool = False) -> Any:
        """The future of this job that somebody holds, or what `make` returns: there is one at a time.

        Until the job has ended it is held here as well if one is to `hold` it: a callback that is told of it is told of
        the same one at its end. That of a job by itself always is, and with it its cluster: a program may drop both and
        still have its cluster closed when it exits.
        """

    # As what news are about

    @property
    def key(self) -> JobRecord:
        return self

    @property
    def records(self) -> tuple[JobRecord, ...]:
        return (self,)

    @property
    def job_ids(self) -> tuple[str, ...]:
        return (self.id,)

    def __repr__(self) -> str:
        if not self.is_submitted:
            return f"<Job {self.task_name}, not submitted yet>"
        return f"<Job {self.id} {self.task_name} {words_for(self.status)}>"


class JobOperations(abc.ABC):
    """What can be done with the jobs of one cluster once they are submitted."""

    @abc.abstractmethod
    def watch(self, records: Sequence[Record]) -> None:
        """Have these jobs observed until they end. Raises `SlurmError` where the cluster was closed."""

    @abc.abstractmethod
    def refresh(self, record: Record) -> None:
        """Know a job, or an array, as it is now, or was a moment ago."""

    @abc.abstractmethod
    def found_again(self, record: Watched) -> None:
        """Another client submitted this job or array, or an earlier call did: it may have ended long ago."""

    @abc.abstractmethod
    def meet(self) -> None:
        """Have the jobs watched that were found again so far, and know them as they are now; all of them together.

        Where nobody answers they stay as they are, and are asked about again.
        """

    @abc.abstractmethod
    def cancel(self, records: Iterable[Record], *, whole: bool = False) -> None:
        """Have the scheduler cancel those that have not ended, or the `whole` arrays they are in."""

    @abc.abstractmethod
    def interrupted(self, records: Sequence[JobRecord]) -> None:
        """Somebody pressed Ctrl-C while waiting for these jobs."""

    @abc.abstractmethod
    def fetch(self, record: JobRecord, timeout: float | None = None) -> Outcome:
        """What became of a finished job.

        Raises only what says nothing about it: the connection's errors, and the built-in ``TimeoutError``
        when the result of a completed job is not visible within `timeout` seconds and still may be.
        """

    @abc.abstractmethod
    def fetch_all(
        self, records: Sequence[JobRecord], timeout: float | None = None
    ) -> list[Outcome]:
        """`fetch` for many, their result files read together."""


def watched_no_more(record: JobRecord) -> SlurmError:
    """The error for whoever waits for a job that nobody watches."""
    return SlurmError(f"job {record.id} is watched no more: its cluster was closed")


def is_packed(record: JobRecord) -> bool:
    """Whether the job runs other items of an array as well."""
    return record.element is not None and record.element.packed
