"""One question to the scheduler, about many jobs and arrays, and about whom its answers are. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, cast

from slurm.agent.job_ids import expand_job_id, ranges, tasks_in
from slurm.states import JobStatus, Observation
from slurm.tracking.record import JobRecord, Record
from slurm.tracking.reused_ids import mark_of_piece, own_or_reused
from slurm.tracking.subject import Subject

if TYPE_CHECKING:
    from slurm.tracking.array_record import ArrayRecord

Seen = tuple[Subject, Observation]


class Question:
    """`words` for `BackendBase.query_together`: of arrays, those tasks that have not ended.

    One job may have several records, and one id several jobs.
    """

    def __init__(self, jobs: Iterable[Record]) -> None:
        # Of many jobs nothing is made for each: looking through that takes Python longer than the answers do.
        self._records: dict[str, JobRecord] = {}
        self._others: dict[str, list[JobRecord]] = {}  # that have the id of one of the former
        self._pieces: dict[str, list[tuple[ArrayRecord, int]]] = {}
        tasks: dict[str, set[int]] = {}
        for job in jobs:
            if isinstance(job, JobRecord):
                if self._records.setdefault(job.id, job) is not job:
                    self._others.setdefault(job.id, []).append(job)
                continue
            array = cast("ArrayRecord", job)
            for job_id, piece, live in array.live_pieces():
                self._pieces.setdefault(job_id, []).append((array, piece))
                tasks.setdefault(job_id, set()).update(live)
        self.words: list[str] = list(self._records)
        self.words += [f"{job_id}_[{ranges(list(live))}]" for job_id, live in tasks.items()]

    def seen(self, answers: Iterable[Observation]) -> Iterator[Seen]:
        """Whom each of the answers is about: items of an array of which the same is said come together."""
        items = _Items()
        apart = {job_id.partition("_")[0] for job_id in self._records if "_" in job_id}
        for one in answers:
            ids = expand_job_id(one.job_id) if apart and "_[" in one.job_id else (one.job_id,)
            for job_id in ids:
                first = self._records.get(job_id)
                if first is not None:
                    yield first, own_or_reused(first, one)
                    for job in self._others.get(job_id, ()):
                        yield job, own_or_reused(job, one)
            if self._pieces:
                array_id, tasks = tasks_in(one.job_id)
                for array, piece in self._pieces.get(array_id, ()):
                    items.add(array, piece, tasks, one)
        yield from items.seen()


class _Items:
    """What is said of the items of arrays, put together."""

    def __init__(self) -> None:
        self._alike: dict[Hashable, tuple[Subject, list[int], Observation]] = {}
        self._own: dict[Hashable, bool] = {}

    def add(self, array: ArrayRecord, piece: int, tasks: Iterable[range], one: Observation) -> None:
        """What `one` says of some tasks of one of the array's submissions."""
        said = _of_any_id(one)
        for status, indices in array.live_in_piece(piece, tasks):
            seen = self._own_or_reused(array, piece, one, status)
            key = (id(array), said, seen.source, id(status))
            if not seen.missing:
                self._put(key, array, indices, status, seen)
                continue
            for index in indices:  # for how long it has been missing is each task's own
                task = index // array.layout.pack
                self._put((*key, task), array, [index], status, seen, task)

    def _put(
        self,
        key: Hashable,
        array: ArrayRecord,
        indices: list[int],
        status: JobStatus,
        seen: Observation,
        task: int | None = None,
    ) -> None:
        if key in self._alike:
            self._alike[key][1].extend(indices)
        else:
            self._alike[key] = array.items(indices, status, task), indices, seen

    def _own_or_reused(
        self, array: ArrayRecord, piece: int, seen: Observation, status: JobStatus
    ) -> Observation:
        """As `JobMark.own_or_reused`, looked up once for all that come from one place."""
        key = (id(array), piece, seen.origin, status.reused)
        if key not in self._own:
            mark = mark_of_piece(array.token, array.directory, piece)
            self._own[key] = mark.own_or_reused(seen, status) is seen
        return seen if self._own[key] else Observation(seen.job_id, "reused")

    def seen(self) -> Iterator[Seen]:
        """Each group, with what is said of it."""
        return ((items, seen) for items, _, seen in self._alike.values())


def _of_any_id(seen: Observation) -> Hashable:
    """The same for the same words about another job."""
    words = (seen.source, seen.state, seen.reason, seen.exit_code, seen.node, seen.origin)
    return words, seen.ended_at
