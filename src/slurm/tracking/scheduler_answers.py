"""Asks the scheduler about jobs, and adds up for how long each has been missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from slurm.errors import SlurmError
from slurm.tracking.question import Question, Seen
from slurm.tracking.record import Record

if TYPE_CHECKING:
    from slurm.api.base import BackendBase


class MissingTimes:
    """Adds up, for each job, the times between two answers in a row that both found it missing.

    What passes while nobody answers does not count, and a job that is seen again begins anew.
    """

    def __init__(self) -> None:
        self._seconds: dict[Hashable, float] = {}
        self._answered: float | None = None

    def no_answer(self) -> None:
        """The scheduler was asked and did not answer."""
        self._answered = None

    def timed(self, seen: Iterable[Seen], now: float) -> Iterator[Seen]:
        """What was `seen` in an answer about all jobs, with how long each has been missing by then."""
        passed = 0.0 if self._answered is None else now - self._answered
        before, self._seconds, self._answered = self._seconds, {}, now
        return self._timed(seen, before, passed)

    def _timed(
        self, seen: Iterable[Seen], before: Mapping[Hashable, float], passed: float
    ) -> Iterator[Seen]:
        for both in seen:
            jobs, one = both
            if not one.missing:
                yield both
                continue
            key = jobs.key
            self._seconds[key] = before[key] + passed if key in before else 0.0
            yield jobs, one._replace(missing_for=self._seconds[key])


class SchedulerAnswers:
    """What one client is told of its jobs. Whoever asks about all of them does so one after the other."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._missing_times = MissingTimes()

    def of_all(self, backend: BackendBase, jobs: Iterable[Record]) -> Iterator[Seen]:
        """What the scheduler says of all live jobs, and for how long those that are missing have been.

        It has been asked when this returns; what it said is to be taken before it is asked again.
        """
        try:
            seen = self._asked(backend, jobs)
        except SlurmError:
            self._missing_times.no_answer()
            raise
        return self._missing_times.timed(seen, self._clock())

    def of(self, backend: BackendBase, jobs: Iterable[Record]) -> list[Seen]:
        """What the scheduler says of some jobs; ``reused`` where it speaks of another of the same id.

        Of an array as a whole it is asked about what has not ended, and items of which it says the same come together.
        """
        return list(self._asked(backend, jobs))

    def _asked(self, backend: BackendBase, jobs: Iterable[Record]) -> Iterator[Seen]:
        question = Question(jobs)
        answers = backend.query_together(question.words) if question.words else []
        return question.seen(answers)
