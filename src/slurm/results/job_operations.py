"""What can be done with the jobs of one cluster once they are submitted."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence

from slurm import forks
from slurm.api.site import Site
from slurm.errors import SlurmError
from slurm.job_dir.result import Outcome
from slurm.results.outcome import Outcomes
from slurm.tracking.accounting import Accounting
from slurm.tracking.listener import Listener
from slurm.tracking.pushed_results import PushedResults
from slurm.tracking.record import JobOperations, JobRecord, Record, Watched
from slurm.tracking.tracker import Tracker

logger: logging.Logger = logging.getLogger(__name__)


class Observer:
    """What one process observes the jobs of a cluster with."""

    def __init__(self, site: Site, listener: Listener) -> None:
        self.pushed: PushedResults = PushedResults()
        self.accounting: Accounting = Accounting(site.backend)
        self.outcomes: Outcomes = Outcomes(site, self.pushed, self.accounting, listener)
        self.tracker: Tracker | None = None
        self.making: threading.Lock = threading.Lock()


class ClusterOperations(JobOperations):
    """Has jobs watched by one tracker, and their results read.

    The tracker is made when the first job is watched: where its runners leave their news may have to be asked for.
    A forked child that watches jobs has one of its own; `begun` is called in each process that begins to.
    """

    def __init__(
        self,
        site: Site,
        listener: Listener,
        *,
        cancel_on_interrupt: Callable[[], bool],
        begun: Callable[[], object],
    ) -> None:
        self._site = site
        self._listener = listener
        self._cancel_on_interrupt = cancel_on_interrupt
        self._begun = begun
        self._closed = False
        self._found_again: weakref.WeakKeyDictionary[Watched, None] = weakref.WeakKeyDictionary()
        self._own = forks.Own(self._begin)
        self.begin()

    def begin(self) -> None:
        """This process uses the cluster, as its parent may have done."""
        self._own.get()

    def _begin(self) -> Observer:
        self._begun()
        return Observer(self._site, self._listener)

    @property
    def tracker(self) -> Tracker:
        """What completes the futures of this cluster's jobs."""
        own = self._own.get()
        with own.making:
            if own.tracker is None:
                shortest, longest = self._site.poll_intervals
                own.tracker = Tracker(
                    self._site,
                    interval_min=shortest,
                    interval_max=longest,
                    listener=self._listener,
                    pushed=own.pushed,
                    accounting=own.accounting,
                )
                if self._closed:
                    own.tracker.stop()
            return own.tracker

    def watch(self, records: Sequence[Record]) -> None:
        self.tracker.watch(records)

    def refresh(self, record: Record) -> None:
        self.tracker.refresh(record)

    def found_again(self, record: Watched) -> None:
        self._found_again[record] = None

    def meet(self) -> None:
        found = [record for record in list(self._found_again) if not record.finished]
        try:
            self.tracker.meet(found)
        except SlurmError as error:
            logger.debug(
                "%d jobs or arrays were found again, and nobody tells how they are: %s",
                len(found),
                error,
            )
        else:
            for record in found:
                self._found_again.pop(record, None)

    def cancel(self, records: Iterable[Record], *, whole: bool = False) -> None:
        self.tracker.cancel(records, whole=whole)

    def interrupted(self, records: Sequence[JobRecord]) -> None:
        if not self._cancel_on_interrupt():
            return
        try:
            self.cancel(records)
        except SlurmError as error:
            ids = ", ".join(record.id for record in records)
            logger.warning("interrupted, and these jobs go on: %s: %s", ids, error)

    def fetch(self, record: JobRecord, timeout: float | None = None) -> Outcome:
        return self._own.get().outcomes.of(record, timeout)

    def fetch_all(
        self, records: Sequence[JobRecord], timeout: float | None = None
    ) -> list[Outcome]:
        return self._own.get().outcomes.of_all(records, timeout)

    def close(self) -> None:
        """Watch no longer, have callbacks told what is left, and let go of the connection.

        In a forked child that has not begun, all of that is its parent's.
        """
        own = self._own.known
        if own is None:
            self._closed = True
            return
        with own.making:
            self._closed, tracker = True, own.tracker
        if tracker is not None:
            tracker.stop()
        self._listener.close()  # while hooks can still ask for what a job has left
        if tracker is not None:
            tracker.notes.write()
            # The directory is this client's alone; a cluster that cannot be reached keeps an empty
            # one. Without it, and without a connection, the tracker stops listening at once.
            self._site.backend.discard(self._site.event_dir)
        self._site.backend.close()
        if tracker is not None:
            tracker.join()
