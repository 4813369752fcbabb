"""What is done with news of jobs: they are known as seen, callbacks and whoever waits are told, and ends are noted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from slurm.states import JobState, JobStatus, Observation
from slurm.tracking.deadline import Moment
from slurm.tracking.end_notes import EndNotes

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.tracking.accounting import Accounting
    from slurm.tracking.listener import Listener
    from slurm.tracking.live_jobs import LiveJobs
    from slurm.tracking.question import Seen
    from slurm.tracking.subject import Subject
    from slurm.tracking.waiting import Calls

# Sources that are the scheduler's own words, or repeat them.
ASKED = frozenset({"squeue", "sacct", "local", "metadata"})


class News:
    """Takes the news of the `live` jobs of one tracker, from any of its threads, and tells of them.

    - `changed`: held by whoever changes what is known of them, and told of it.
    - `notes`: on the ends that nobody else writes down.
    - `moving`: whether a job was found since somebody set this to False that goes on in another state.
    """

    def __init__(
        self,
        backend: BackendBase,
        live: LiveJobs,
        changed: threading.Condition,
        *,
        listener: Listener,
        accounting: Accounting,
    ) -> None:
        self.notes: EndNotes = EndNotes(backend)
        self.moving: bool = False
        self._live = live
        self._changed = changed
        self._listener = listener
        self._accounting = accounting
        self._ended: deque[Calls] = deque()  # who does not know it yet
        self._announcing = False

    @property
    def untold(self) -> bool:
        """Whether there is somebody to be called back."""
        return bool(self._ended)

    def take(self, seen: Iterable[Seen]) -> None:
        """Take what was seen. Callbacks are told once of a job, however many futures it has."""
        told: set[str] = set()
        at = Moment()
        for jobs, observation in seen:
            self._note(jobs, observation, at, told)

    def _note(self, jobs: Subject, seen: Observation, at: Moment, told: set[str]) -> None:
        """One observation at a time: a poll that took long must not undo what was seen meanwhile."""
        with self._changed:
            for alike, status in jobs.after(seen):
                before = alike.status
                if self._listener.hears_of_jobs:
                    self._tell(alike, status, told)  # before who waits: they may close the cluster
                calls = alike.observe(status, at)
                if calls is not None:
                    self._ended.append(calls)
                if not status.finished:
                    self.moving |= status.state is not before.state or status.uncertain
                elif not before.finished:
                    self._note_end(alike, seen._replace(state=status.state))

    def _note_end(self, jobs: Subject, seen: Observation) -> None:
        self.notes.add(jobs, seen)
        if seen.state is not JobState.COMPLETED and seen.source in ASKED:
            for job_id in jobs.job_ids:
                self._accounting.expect(job_id)
        if jobs.watched.finished and jobs.watched in self._live:
            self._live.remove(jobs.watched)

    def _tell(self, jobs: Subject, status: JobStatus, told: set[str]) -> None:
        for record in jobs.records:
            if record.token not in told:
                self._listener.observed(record, jobs.status, status)
                told.add(record.token)

    def announce(self) -> None:
        """Call back for the jobs that have ended; under no lock, for a callback may do anything.

        One at a time: while one thread does it, others leave theirs to it.
        """
        while True:
            with self._changed:
                if self._announcing or not self._ended:
                    return
                self._announcing = True
                calls = self._ended[0]
            all_called = False
            try:
                calls.make()
                all_called = True
            finally:  # Ctrl-C in a callback: the listening thread goes on with the others
                with self._changed:
                    self._announcing = False
                    if all_called:
                        self._ended.popleft()
                    self._changed.notify_all()
