"""The jobs that a tracker watches, each once, and found by its token whenever an event names that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slurm.tracking.record import JobRecord


class LiveJobs:
    """Jobs that have not ended, in the order in which they came. Not for several threads at once."""

    def __init__(self) -> None:
        self._jobs: dict[JobRecord, None] = {}
        self._with_token: dict[str, list[JobRecord]] = {}  # one job may have several futures

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[JobRecord]:
        return iter(self._jobs)

    def __contains__(self, job: object) -> bool:
        return job in self._jobs

    def add(self, job: JobRecord) -> None:
        """Take one that is not here yet."""
        self._jobs[job] = None
        self._with_token.setdefault(job.token, []).append(job)

    def remove(self, job: JobRecord) -> None:
        """Let go of one that is here."""
        del self._jobs[job]
        alike = self._with_token[job.token]
        alike.remove(job)
        if not alike:
            del self._with_token[job.token]

    def with_token(self, token: str) -> Sequence[JobRecord]:
        """All futures of the job, or of the item of an array, that has this token."""
        return tuple(self._with_token.get(token, ()))
