"""What can be done with the jobs of one cluster once they are submitted."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence

from slurm.api.site import Site
from slurm.errors import SlurmError
from slurm.job_dir.result import Outcome
from slurm.results.outcome import Outcomes
from slurm.tracking.accounting import Accounting
from slurm.tracking.listener import Listener
from slurm.tracking.pushed_results import PushedResults
from slurm.tracking.record import JobOperations, JobRecord
from slurm.tracking.tracker import Tracker

logger: logging.Logger = logging.getLogger(__name__)


class ClusterOperations(JobOperations):
    """Has jobs watched by one tracker, and their results read.

    The tracker is made when the first job is watched: where its runners leave their news may have to be asked for.
    """

    def __init__(
        self,
        site: Site,
        listener: Listener,
        *,
        cancel_on_interrupt: Callable[[], bool],
    ) -> None:
        self._site = site
        self._listener = listener
        self._cancel_on_interrupt = cancel_on_interrupt
        self._pushed = PushedResults()
        self._accounting = Accounting(site.backend)
        self._outcomes = Outcomes(site, self._pushed, self._accounting, listener)
        self._found_again: weakref.WeakKeyDictionary[JobRecord, None] = weakref.WeakKeyDictionary()
        self._tracker: Tracker | None = None
        self._closed = False
        self._making = threading.Lock()

    @property
    def tracker(self) -> Tracker:
        """What completes the futures of this cluster's jobs."""
        with self._making:
            if self._tracker is None:
                shortest, longest = self._site.poll_intervals
                self._tracker = Tracker(
                    self._site,
                    interval_min=shortest,
                    interval_max=longest,
                    listener=self._listener,
                    pushed=self._pushed,
                    accounting=self._accounting,
                )
                if self._closed:
                    self._tracker.stop()
            return self._tracker

    def watch(self, records: Sequence[JobRecord]) -> None:
        self.tracker.watch(records)

    def refresh(self, record: JobRecord) -> None:
        self.tracker.refresh(record)

    def found_again(self, record: JobRecord) -> None:
        self._found_again[record] = None

    def meet(self) -> None:
        found = [record for record in list(self._found_again) if not record.finished]
        try:
            self.tracker.meet(found)
        except SlurmError as error:
            logger.debug(
                "%d jobs were found again, and nobody tells how they are: %s", len(found), error
            )
        else:
            for record in found:
                self._found_again.pop(record, None)

    def cancel(self, records: Iterable[JobRecord], *, whole: bool = False) -> None:
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
        return self._outcomes.of(record, timeout)

    def fetch_all(
        self, records: Sequence[JobRecord], timeout: float | None = None
    ) -> list[Outcome]:
        return self._outcomes.of_all(records, timeout)

    def close(self) -> None:
        """Watch no longer, have callbacks told what is left, and let go of the connection."""
        with self._making:
            self._closed, tracker = True, self._tracker
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
