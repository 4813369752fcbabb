"""What an observation means for one job: where it says too little, the job's own files are asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from slurm.errors import RemoteFileMissing, ResultCorrupted
from slurm.job_dir.result import kind_in, load_envelope
from slurm.states import FINAL_SOURCES, JobState, Observation, reduce

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.job import Job

HEAD = 1 << 16  # bytes


class Evidence:
    """Reads the observations of jobs whose files are on `backend`."""

    def __init__(self, backend: BackendBase) -> None:
        self._backend = backend

    def of(self, job: Job[Any], seen: Observation) -> Observation:
        """What `seen` means for one job, which may not be the same for all that share its id."""
        expected = reduce(job.status, seen)
        if expected.never_starts:
            return replace(seen, source="given up", state=JobState.CANCELLED)
        if not expected.finished and not job.status.finished and seen.source in ("sacct", "reused"):
            # The controller has forgotten it, and accounts are late or away: they may be for long.
            state = self._word_of_result(job)
            return (
                seen if state is JobState.UNKNOWN else replace(seen, source="result", state=state)
            )
        if not expected.finished or job.status.finished or seen.source in FINAL_SOURCES:
            return seen
        packed = job.element is not None and job.element.packed
        if packed or expected.state is JobState.UNKNOWN:
            state = self._word_of_result(job)
            forgotten = state is JobState.UNKNOWN and seen.source == "absent" and not packed
            if forgotten and self._never_started(job):
                state = JobState.CANCELLED
            if state is not JobState.UNKNOWN:
                return replace(seen, source="result", state=state)
        return seen

    def _never_started(self, job: Job[Any]) -> bool:
        """Whether an element that nobody knows was cancelled while it waited.

        Slurm forgets such an element at once and without a word in its accounting, though not the
        array; an element that has started has written its metadata.
        """
        waiting = job.element is not None and job.status.state is JobState.PENDING
        return waiting and not self._backend.file_exists(job.directory.metadata)

    def _word_of_result(self, job: Job[Any]) -> JobState:
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
