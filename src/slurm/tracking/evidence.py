"""What an observation means for one job: where it says too little, the job's own files are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from slurm.errors import RemoteFileMissing, ResultCorrupted
from slurm.job_dir.result import kind_in, load_envelope
from slurm.states import FINAL_SOURCES, JobState, JobStatus, Observation, reduce
from slurm.tracking.item_records import ItemRecords

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.job_dir.item_records import ItemRecord
    from slurm.tracking.record import JobRecord
    from slurm.tracking.subject import Subject

HEAD = 1 << 16  # bytes


class Case(NamedTuple):
    """An observation of a job, and the `expected` status, which that alone would lead to.

    `recorded` is how an item of a packed array ended by its record, UNKNOWN where it has none; None for any other job.
    """

    job: Subject
    seen: Observation
    expected: JobStatus
    recorded: JobState | None = None

    @property
    def record(self) -> JobRecord:
        """Of one job: its record."""
        [record] = self.job.records
        return record

    @property
    def never_starts(self) -> bool:
        """The scheduler says that it waits for what can not happen any more."""
        return self.expected.never_starts

    @property
    def is_settled(self) -> bool:
        """It has ended before, or its own runner says that it has."""
        return self.job.finished or self.seen.source in FINAL_SOURCES

    @property
    def goes_on(self) -> bool:
        """It has not ended by this."""
        return not self.expected.finished

    @property
    def forgotten_unended(self) -> bool:
        """The controller has forgotten it, and accounts are late or away: they may be for long.

        One that was found again may have ended long ago, so its files are asked as soon as nobody knows of it.
        """
        found_too_late = self.seen.source == "absent" and self.job.unmet
        return self.goes_on and (self.seen.source in ("sacct", "reused") or found_too_late)

    @property
    def is_packed(self) -> bool:
        """Its end is that of a job which runs other items as well."""
        return self.job.element is not None and self.job.element.packed

    @property
    def is_unknown(self) -> bool:
        """Nobody knows how it ended."""
        return self.expected.state is JobState.UNKNOWN

    @property
    def may_never_have_started(self) -> bool:
        """Nobody knows of an element that was waiting.

        Slurm forgets such an element at once when it is cancelled, and without a word in its accounting, though
        not the array.
        """
        waited = self.job.element is not None and self.job.status.state is JobState.PENDING
        return self.is_unknown and self.seen.source == "absent" and waited


class Evidence:
    """Reads the observations of jobs whose files are on `backend`."""

    def __init__(self, backend: BackendBase) -> None:
        self._backend = backend

    def of_all(
        self, seen: Iterable[tuple[Subject, Observation]]
    ) -> Iterator[tuple[Subject, Observation]]:
        """What was `seen` means: for each job by itself where its files are asked.

        The items of packed arrays are asked about together.
        """
        asking: list[tuple[Case, Meaning]] = []
        for jobs, one in seen:
            case, meaning = _case(jobs, one)
            if meaning in ASKING:
                asking += [_case(record, one) for record in jobs.records]
            else:
                yield jobs, meaning(self, case)
        recorded = _states_by_records(
            self._backend, [case.record for case, _ in asking if case.is_packed]
        )
        for case, meaning in asking:
            yield case.job, meaning(self, case._replace(recorded=recorded.get(case.record)))

    def as_seen(self, case: Case) -> Observation:
        """What the scheduler says is enough."""
        return case.seen

    def cancelled(self, case: Case) -> Observation:
        """It will be cancelled."""
        return case.seen._replace(source="never starts", state=JobState.CANCELLED)

    def by_its_result(self, case: Case) -> Observation:
        """As the result says that it left; where there is none, what the scheduler says."""
        state = case.recorded or self._state_by_result(case.record)
        if state is JobState.UNKNOWN:
            return case.seen
        return case.seen._replace(source="result", state=state)

    def by_its_files(self, case: Case) -> Observation:
        """As the result says; cancelled where it has not even begun: an element that did has metadata."""
        told = self.by_its_result(case)
        if told is not case.seen or self._backend.file_exists(case.record.directory.metadata):
            return told
        return case.seen._replace(source="result", state=JobState.CANCELLED)

    def _state_by_result(self, job: JobRecord) -> JobState:
        """How a job ended that the scheduler has forgotten, by the result it left.

        Its beginning tells; whether the rest is as it was written is a matter for whoever reads it.
        """
        path = job.directory.result
        try:
            kind = kind_in(self._backend.read_head(path, HEAD))
            if kind is None:
                with self._backend.open_file(path) as file:
                    kind = load_envelope(file, path=path).kind
        except (RemoteFileMissing, ResultCorrupted):
            return JobState.UNKNOWN
        return JobState.COMPLETED if kind == "value" else JobState.FAILED


def _case(jobs: Subject, seen: Observation) -> tuple[Case, Meaning]:
    case = Case(jobs, seen, reduce(jobs.status, seen))
    return case, next(meaning for applies, meaning in RULES if applies(case))


Meaning = Callable[[Evidence, Case], Observation]
# The first that applies says what is asked.
RULES: Sequence[tuple[Callable[[Case], bool], Meaning]] = (
    (lambda case: case.never_starts, Evidence.cancelled),
    (lambda case: case.is_settled, Evidence.as_seen),
    (lambda case: case.forgotten_unended, Evidence.by_its_result),
    (lambda case: case.goes_on, Evidence.as_seen),
    (lambda case: case.is_packed, Evidence.by_its_result),
    (lambda case: case.may_never_have_started, Evidence.by_its_files),
    (lambda case: case.is_unknown, Evidence.by_its_result),
    (lambda case: True, Evidence.as_seen),
)
ASKING = (Evidence.by_its_result, Evidence.by_its_files)


def _states_by_records(
    backend: BackendBase, packed: Sequence[JobRecord]
) -> dict[JobRecord, JobState]:
    """How items of packed arrays ended by what they left, UNKNOWN for those that left nothing.

    Nothing is said of those whose arrays have no record files.
    """
    asked = ItemRecords(backend, packed)
    found = dict(asked.read(bodies=False)) if packed else {}
    unsaid = set(asked.without)
    return {
        job: _state_of(found[job]) if job in found else JobState.UNKNOWN
        for job in packed
        if job not in unsaid
    }


def _state_of(record: ItemRecord) -> JobState:
    return JobState.COMPLETED if record.successful else JobState.FAILED
