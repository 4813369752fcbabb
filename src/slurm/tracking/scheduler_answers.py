"""Asks the scheduler about jobs, and adds up for how long each has been missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from slurm.errors import SlurmError
from slurm.states import Observation
from slurm.tracking.record import JobRecord
from slurm.tracking.reused_ids import mark_of

if TYPE_CHECKING:
    from slurm.api.base import BackendBase

Seen = tuple[JobRecord, Observation]


class MissingTimes:
    """Adds up, for each job, the times between two answers in a row that both found it missing.

    What passes while nobody answers does not count, and a job that is seen again begins anew.
    """

    def __init__(self) -> None:
        self._seconds: dict[JobRecord, float] = {}
        self._answered: float | None = None

    def no_answer(self) -> None:
        """The scheduler was asked and did not answer."""
        self._answered = None

    def timed(self, seen: Iterable[Seen], now: float) -> list[Seen]:
        """What was `seen` in an answer about all jobs, with how long each has been missing by then."""
        passed = 0.0 if self._answered is None else now - self._answered
        before, self._seconds, self._answered = self._seconds, {}, now
        timed = []
        for job, one in seen:
            if one.missing:
                self._seconds[job] = before[job] + passed if job in before else 0.0
            timed.append((job, one._replace(missing_for=self._seconds.get(job, 0.0))))
        return timed


class SchedulerAnswers:
    """What one client is told of its jobs. Whoever asks about all of them does so one after the other."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._missing_times = MissingTimes()

    def of_all(self, backend: BackendBase, jobs: Iterable[JobRecord]) -> list[Seen]:
        """What the scheduler says of all live jobs, and for how long those that are missing have been."""
        try:
            seen = self.of(backend, jobs)
        except SlurmError:
            self._missing_times.no_answer()
            raise
        return self._missing_times.timed(seen, self._clock())

    def of(self, backend: BackendBase, jobs: Iterable[JobRecord]) -> list[Seen]:
        """What the scheduler says of some jobs; ``reused`` where it speaks of another of the same id."""
        # One job may have several records, and one id several jobs.
        records: dict[str, list[JobRecord]] = {}
        for job in jobs:
            records.setdefault(job.id, []).append(job)
        answers = backend.query_jobs(list(records)) if records else []
        return [
            (job, mark_of(job).own_or_reused(one, job.status))
            for one in answers
            for job in records.get(one.job_id, ())
        ]
