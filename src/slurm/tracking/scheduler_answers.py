"""Asks the scheduler about jobs, and adds up for how long each has been missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, cast

from slurm.errors import SlurmError
from slurm.states import JobStatus, Observation
from slurm.tracking.record import JobRecord, Record
from slurm.tracking.reused_ids import JobMark, mark_of, mark_of_piece
from slurm.tracking.subject import Subject

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.tracking.array_record import ArrayRecord

Seen = tuple[Subject, Observation]


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

    def timed(self, seen: Iterable[Seen], now: float) -> list[Seen]:
        """What was `seen` in an answer about all jobs, with how long each has been missing by then."""
        passed = 0.0 if self._answered is None else now - self._answered
        before, self._seconds, self._answered = self._seconds, {}, now
        timed = []
        for jobs, one in seen:
            if one.missing:
                key = jobs.key
                self._seconds[key] = before[key] + passed if key in before else 0.0
                timed.append((jobs, one._replace(missing_for=self._seconds[key])))
            else:
                timed.append((jobs, one))
        return timed


class SchedulerAnswers:
    """What one client is told of its jobs. Whoever asks about all of them does so one after the other."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._missing_times = MissingTimes()

    def of_all(self, backend: BackendBase, jobs: Iterable[Record]) -> list[Seen]:
        """What the scheduler says of all live jobs, and for how long those that are missing have been."""
        try:
            seen = self.of(backend, jobs)
        except SlurmError:
            self._missing_times.no_answer()
            raise
        return self._missing_times.timed(seen, self._clock())

    def of(self, backend: BackendBase, jobs: Iterable[Record]) -> list[Seen]:
        """What the scheduler says of some jobs; ``reused`` where it speaks of another of the same id.

        Of an array as a whole it is asked about what has not ended, and items of which it says the same come together.
        """
        asked = _Asked(jobs)
        answers = backend.query_jobs(asked.ids) if asked.ids else []
        return [*asked.records(answers), *asked.items(answers)]


class _Asked:
    """What a question is about. One job may have several records, and one id several jobs."""

    def __init__(self, jobs: Iterable[Record]) -> None:
        self._records: dict[str, list[JobRecord]] = {}
        self._tasks: dict[str, list[tuple[ArrayRecord, int]]] = {}
        for job in jobs:
            if isinstance(job, JobRecord):
                self._records.setdefault(job.id, []).append(job)
                continue
            array = cast("ArrayRecord", job)
            for task in array.states.live_tasks():
                self._tasks.setdefault(array.id_of_task(task), []).append((array, task))
        self.ids: list[str] = list({**self._records, **self._tasks})

    def records(self, answers: Iterable[Observation]) -> Iterator[Seen]:
        """What is said of jobs by themselves."""
        for one in answers:
            for job in self._records.get(one.job_id, ()):
                yield job, mark_of(job).own_or_reused(one, job.status)

    def items(self, answers: Iterable[Observation]) -> Iterator[Seen]:
        """What is said of the items of arrays."""
        alike: dict[Hashable, tuple[Subject, list[int], Observation]] = {}
        marks = _Marks()
        for one in answers if self._tasks else ():
            said = _of_any_id(one)
            for array, task in self._tasks.get(one.job_id, ()):
                for status, indices in array.alike(array.states.live_items(task)):
                    seen = marks.own_or_reused(array, task, one, status)
                    # For how long a job has been missing is each one's own.
                    own = task if seen.missing else None
                    key = (id(array), said, seen.source, id(status), own)
                    known = alike.get(key)
                    if known is None:
                        alike[key] = array.items(indices, status, own), indices, seen
                    else:
                        known[1].extend(indices)
        return ((items, seen) for items, _, seen in alike.values())


class _Marks:
    """By what the tasks of arrays are known, looked up once for all of which the same is said."""

    def __init__(self) -> None:
        self._marks: dict[tuple[int, int], JobMark] = {}
        self._known: dict[Hashable, bool] = {}

    def own_or_reused(
        self, array: ArrayRecord, task: int, seen: Observation, status: JobStatus
    ) -> Observation:
        """As `JobMark.own_or_reused`."""
        piece, _ = array.layout.place_of_task(task)
        key = (id(array), piece, seen.origin, status.reused)
        if key not in self._known:
            mark = mark_of_piece(array.token, array.directory, piece)
            self._known[key] = mark.own_or_reused(seen, status) is seen
        return seen if self._known[key] else Observation(seen.job_id, "reused")


def _of_any_id(seen: Observation) -> Hashable:
    """The same for the same words about another job."""
    words = (seen.source, seen.state, seen.reason, seen.exit_code, seen.node, seen.origin)
    return words, seen.ended_at
