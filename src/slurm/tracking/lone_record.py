"""What is known of a job by itself."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slurm import forks
from slurm.api.requests import Submitted
from slurm.errors import SlurmError
from slurm.states import JobStatus
from slurm.tracking.deadline import Moment
from slurm.tracking.record import ArrayElement, JobOperations, JobRecord, Watched
from slurm.tracking.waiting import Call, Calls

if TYPE_CHECKING:
    from slurm.api.site import Site
    from slurm.job_dir.result import Outcome
    from slurm.tracking.upstream import Dependency

FIRST = JobStatus()
# For a moment each: one for all jobs, of which there may be many. What is collected meanwhile may be a user's, and ask.
_changing = forks.Lock(threading.RLock)


class LoneRecord(JobRecord, Watched):
    """A job by itself. What only some jobs need, as what somebody waits with, is made when it is needed.

    `submission` is the scheduler's answer; for a job of an open batch a function that submits, and returns it.

    A forked child that asks for anything about it has it watched there; what its parent waits for is the parent's.
    """

    __slots__ = (
        "__weakref__",
        "_alive",
        "_callbacks",
        "_element",
        "_fetching",
        "_future",
        "_held",
        "_met",
        "_news",
        "_over",
        "_process",
        "_status",
        "_submission",
        "operations",
        "options",
        "outcome",
        "site",
        "task_name",
        "token",
        "waits_for",
    )

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
        self.site: Site = site
        self.operations: JobOperations = operations
        self.task_name: str = task_name
        self.token: str = token
        self.waits_for: tuple[Dependency, ...] = tuple(waits_for)
        self.outcome: Outcome | None = None
        self._element = element
        self._submission = submission
        self._future: weakref.ref[Any] | None = None
        self._fetching: forks.Lock | None = None
        self._status = FIRST
        self._met = False
        self._begin()
        found_again = isinstance(submission, Submitted) and submission.reattached
        self._alive: Moment | None = None if found_again else Moment()
        self.options: Mapping[str, str] | None = None if found_again else options
        if found_again:
            operations.found_again(self)

    # Where it is

    @property
    def element(self) -> ArrayElement | None:
        return self._element

    @property
    def is_submitted(self) -> bool:
        return isinstance(self._submission, Submitted)

    @property
    def submission(self) -> Submitted:
        known = self._submission
        return known if isinstance(known, Submitted) else known()

    @property
    def ids(self) -> tuple[str, ...]:
        return (self.id,)

    def settle(self, answer: Submitted) -> None:
        """Take the scheduler's answer."""
        self._submission = answer
        self._alive = None if answer.reattached else Moment()
        self.options = None if answer.reattached else self.options

    def note_options(self, options: Mapping[str, str]) -> None:
        self.options = options

    def id_of(self, index: int | None) -> str:
        """The scheduler's id."""
        return self.id

    # What is known of it

    @property
    def status(self) -> JobStatus:
        self._be_here()
        return self._status

    @property
    def fetching(self) -> forks.Lock:
        with _changing:
            if self._fetching is None:
                self._fetching = forks.Lock()
            return self._fetching

    def keep(self, outcome: Outcome) -> Outcome:
        if outcome.lasts:
            self.outcome = outcome
        return outcome

    @property
    def watched(self) -> Watched:
        return self

    @property
    def unmet(self) -> bool:
        found_again = self.is_submitted and not self._met and self.submission.reattached
        return found_again and not self.finished

    @property
    def last_alive(self) -> Moment | None:
        return self._alive

    def confirm(self) -> None:
        if self.is_submitted:
            super().confirm()

    def _begin(self) -> None:
        """Nobody in this process waits for it yet."""
        self._process = forks.here()
        self._over = self._status.finished
        self._news: threading.Event | None = None
        self._callbacks: list[Callable[[], object]] | None = None
        self._held: Any = None

    def _be_here(self) -> None:
        """In a forked child: nobody else waits here, and nobody watches the job yet."""
        if self._process is forks.here():
            return
        with forks.renewing():
            if self._process is forks.here():
                return
            self._begin()
        if self.is_submitted and not self._over:
            with contextlib.suppress(SlurmError):  # its cluster was closed: who waits is told
                self.operations.watch([self])

    # For whoever watches it

    def live_records(self) -> Iterable[JobRecord]:
        return () if self.finished else (self,)

    def met(self) -> None:
        self._met = True

    def seen_alive(self, at: Moment) -> None:
        self._alive = at

    def observe(self, status: JobStatus, at: Moment | None = None) -> Calls | None:
        self._be_here()
        if not (status.finished or status.forgotten):
            self._alive = at or Moment()
        with _changing:
            self._status = status
            return self._end() if status.finished else None

    def abandon(self) -> None:
        self._be_here()
        with _changing:
            calls = self._end()
        if calls is not None:
            calls.make()

    def _end(self) -> Calls | None:
        self._over = True
        if self._news is not None:
            self._news.set()
        calls = [Call(self, None, one) for one in self._callbacks or ()]
        held = [] if self._held is None else [self._held]
        self._callbacks = self._held = None
        return Calls(calls, held) if calls or held else None

    # For whoever waits for it

    def wait(self, timeout: float | None) -> bool:
        self._be_here()
        with _changing:
            if self._over:
                return True
            if self._news is None:
                self._news = threading.Event()
            news = self._news
        return news.wait(timeout)

    def add_callback(self, function: Callable[[], object]) -> None:
        self._be_here()
        with _changing:
            if not self._over:
                if self._callbacks is None:
                    self._callbacks = []
                self._callbacks.append(function)
                return
        Call(self, None, function).make()

    def future(self, make: Callable[[], Any], *, hold: bool = False) -> Any:
        self._be_here()
        with _changing:
            known = self._future() if self._future is not None else None
            if known is None:
                known = make()
                self._future = weakref.ref(known)
            if not self._over:
                self._held = known
            return known
