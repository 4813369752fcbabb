"""What is known of one job.

A `JobRecord` is what the tracker watches, `slurm.results` reads and callbacks are told of; `slurm.job.Job` wraps
one. What it waits for is in `slurm.tracking.upstream`.
"""

from __future__ import annotations

import abc
import contextlib
import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slurm import forks
from slurm.api.requests import Submitted
from slurm.errors import SlurmError
from slurm.job_dir.paths import ArrayDirectory, JobDirectory
from slurm.job_dir.result import Outcome
from slurm.states import JobState, JobStatus
from slurm.tracking.deadline import Moment
from slurm.tracking.not_ended import words_for
from slurm.tracking.waiting import Waiting

if TYPE_CHECKING:
    from slurm.api.site import Site
    from slurm.tracking.upstream import Dependency, Upstream

logger: logging.Logger = logging.getLogger(__name__)

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
        self.index = index
        self.array = array
        self.packed = packed
        self.piece = piece
        self.group = group


class JobOperations(abc.ABC):
    """What can be done with the jobs of one cluster once they are submitted."""

    @abc.abstractmethod
    def watch(self, records: Sequence[JobRecord]) -> None:
        """Have these jobs observed until they end. Raises `SlurmError` where the cluster was closed."""

    @abc.abstractmethod
    def refresh(self, record: JobRecord) -> None:
        """Know a job as it is now, or was a moment ago."""

    @abc.abstractmethod
    def found_again(self, record: JobRecord) -> None:
        """Another client submitted this job, or an earlier call did: it may have ended long ago."""

    @abc.abstractmethod
    def meet(self) -> None:
        """Have the jobs watched that were found again so far, and know them as they are now; all of them together.

        Where nobody answers they stay as they are, and are asked about again.
        """

    @abc.abstractmethod
    def cancel(self, records: Iterable[JobRecord], *, whole: bool = False) -> None:
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


class JobRecord:
    """One job: where it is, what the scheduler said of it last, and what became of it.

    - `site`, `operations`: where it was submitted to, and what can be done with it.
    - `token`: of its submission; `waits_for`: what must come before it; `element`: its place in an array.
    - `status`: what is known of it at this moment; `outcome`: what became of it, once somebody has asked.

    - `options`: sbatch's options in its script; None where they have to be read from there.

    `submission` is the scheduler's answer; for a job of an open batch a function that submits, and returns it.

    A forked child that asks for anything about it has it watched there; what its parent waits for is the parent's.
    """

    def __init__(
        self,
        site: Site,
        operations: JobOperations,
        *,
        task_name: str,
        token: str,
        submission: Submitted | Callable[[], Submitted],
        waits_for: Sequence[Dependency] = (),
        element: ArrayElement | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.site = site
        self.operations = operations
        self.task_name = task_name
        self.token = token
        self.waits_for: tuple[Dependency, ...] = tuple(waits_for)
        self.element = element
        self.outcome: Outcome | None = None
        self._submission = submission
        self._future: weakref.ref[Any] | None = None
        self._known = Waiting(JobStatus())
        self._heard = False
        found_again = isinstance(submission, Submitted) and submission.reattached
        self._alive: Moment | None = None if found_again else Moment()
        self.options: Mapping[str, str] | None = None if found_again else options
        if found_again:
            operations.found_again(self)

    # Where it is

    @property
    def is_submitted(self) -> bool:
        """Whether the scheduler's answer is known; asking submits nothing."""
        return isinstance(self._submission, Submitted)

    @property
    def submission(self) -> Submitted:
        """The scheduler's answer. Of a job in an open batch it is asked for now; raises what that raises."""
        known = self._submission
        return known if isinstance(known, Submitted) else known()

    def settle(self, answer: Submitted) -> None:
        """Take the scheduler's answer."""
        self._submission = answer
        self._alive = None if answer.reattached else Moment()
        self.options = None if answer.reattached else self.options

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
        packed = self.element is not None and self.element.packed
        return JobDirectory(self.element.array.path) if packed and self.element else self.directory

    # What is known of it

    @property
    def status(self) -> JobStatus:
        """What is known of it at this moment."""
        return self._waiting.status

    @property
    def fetching(self) -> threading.Lock:
        """Held by whoever reads what became of it."""
        return self._waiting.fetching

    @property
    def _waiting(self) -> Waiting:
        """This process's."""
        if self._known.process is not forks.here():
            self._begin_anew()
        return self._known

    def _begin_anew(self) -> None:
        """In a forked child: nobody else waits here, and nobody watches the job yet."""
        with forks.renewing():
            if self._known.process is forks.here():
                return
            self._known = Waiting(self._known.status)
        if self.is_submitted and not self._known.status.finished:
            with contextlib.suppress(SlurmError):  # its cluster was closed: who waits is told
                self.operations.watch([self])

    @property
    def finished(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.status.finished

    @property
    def successful(self) -> bool:
        """Whether it has ended and its task returned."""
        return self.status.finished and self.status.state is JobState.COMPLETED

    @property
    def ended_well(self) -> bool | None:
        """Whether it ended as its dependents want; None where nobody knows that it has ended."""
        return self.successful if self.finished else None

    @property
    def surely_has_its_id(self) -> bool:
        """Whether it was a moment ago that it had not ended: its id can be no other job's yet."""
        return self._alive is not None and self._alive.seconds_ago < SURE_OF_ID

    def confirm(self) -> None:
        """Have it looked at, if it may have ended by now and its id may be another's. Raises `SlurmError`."""
        if self.unmet:
            self.meet()
        elif self.is_submitted and not self.finished and not self.surely_has_its_id:
            self.operations.refresh(self)

    @property
    def unmet(self) -> bool:
        """Whether the job was found again, and nobody has said anything of it since."""
        return self.is_submitted and not self._heard and self.submission.reattached

    def meet(self) -> None:
        """Have a job that was found again looked at, once, before the first answer about it."""
        if self.unmet:
            self.operations.meet()

    def wait(self, timeout: float | None) -> bool:
        """Wait for the end, or until nobody watches any more; whether either came in time."""
        return self._waiting.news.wait(timeout)

    # For whoever watches it

    def observe(self, status: JobStatus) -> None:
        """Take the tracker's news. The last one ends every wait."""
        if not (status.finished or status.forgotten):
            self._alive = Moment()
        self._heard = True
        waiting = self._waiting
        waiting.status = status
        if status.finished:
            with waiting.changing:
                waiting.news.set()

    def abandon(self) -> None:
        """Take notice that the tracker watches the job no more, though it has not ended."""
        waiting = self._waiting
        with waiting.changing:
            waiting.news.set()
        self.call_back()

    def keep(self, outcome: Outcome) -> Outcome:
        """Remember what became of it, if that is for good."""
        if outcome.lasts:
            self.outcome = outcome
        return outcome

    # For whoever waits for it

    def add_callback(self, function: Callable[[], object]) -> None:
        """Have `function` called when the job has ended; at once if it has."""
        waiting = self._waiting
        with waiting.changing:
            if not waiting.news.is_set():
                waiting.callbacks.append(function)
                return
        self._call(function)

    def call_back(self) -> None:
        """Tell everybody who asked to be told; not under any lock, for they may do anything."""
        waiting = self._waiting
        while True:
            with waiting.changing:
                if not waiting.callbacks:
                    waiting.held = None
                    return
                function = waiting.callbacks.pop(0)
            self._call(function)

    def _call(self, function: Callable[[], object]) -> None:
        try:
            function()
        except BaseException as error:
            # The user's own; it must not end a thread that watches all jobs.
            pressed = isinstance(error, KeyboardInterrupt)
            if pressed and threading.current_thread() is threading.main_thread():
                raise
            logger.exception("a callback of job %s failed", self.id)

    def future(self, make: Callable[[], Any]) -> Any:
        """The future of this job that somebody holds, or what `make` returns: there is one at a time.

        Until the job has ended it is held here, and with it its cluster: a program may drop both and still
        have its callbacks told of one and the same future, and its cluster closed when it exits.
        """
        waiting = self._waiting
        with waiting.changing:
            known = self._future() if self._future is not None else None
            if known is None:
                known = make()
                self._future = weakref.ref(known)
            if not waiting.news.is_set():
                waiting.held = known
            return known

    def __repr__(self) -> str:
        if not self.is_submitted:
            return f"<Job {self.task_name}, not submitted yet>"
        return f"<Job {self.id} {self.task_name} {words_for(self.status)}>"


def watched_no_more(record: JobRecord) -> SlurmError:
    """The error for whoever waits for a job that nobody watches."""
    return SlurmError(f"job {record.id} is watched no more: its cluster was closed")
