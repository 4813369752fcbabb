"""Notes on the ends of jobs whose runner could not write them: killed, out of time, never started.

With them the metadata files tell the truth by themselves, when nobody can ask the scheduler any more.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from slurm.agent.job_ids import ranges
from slurm.errors import SlurmError
from slurm.job_dir.metadata import utc_now
from slurm.states import JobState, Observation

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.tracking.subject import Subject

logger: logging.Logger = logging.getLogger(__name__)

SAID_BY_RUNNER = ("event", "result")
NOTED = "metadata"


class EndNotes:
    """Collects the ends that a tracker sees, and writes them down when it has time."""

    def __init__(self, backend: BackendBase) -> None:
        self._backend = backend
        self._ended: list[tuple[Subject, JobState]] = []
        self._changing = threading.Lock()
        self._writing = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._ended)

    def add(self, jobs: Subject, seen: Observation) -> None:
        """Remember how `jobs` ended, unless their runners have said so themselves."""
        lost = seen.state is JobState.UNKNOWN
        if seen.state is JobState.COMPLETED or seen.source == NOTED:
            return
        if seen.source in SAID_BY_RUNNER and not lost:
            return
        with self._changing:
            self._ended.append((jobs, seen.state))

    def write(self) -> None:
        """Have what was remembered noted, or know it noted; once, for nobody's work depends on it."""
        with self._writing:
            with self._changing:
                ended, self._ended = self._ended, []
            if not ended:
                return
            try:
                self._backend.note_ends(entries(ended, utc_now()))
            except SlurmError as error:
                logger.debug("the ends of %d jobs were not noted: %s", len(ended), error)


def entries(ended: Iterable[tuple[Subject, JobState]], at: str) -> list[dict[str, str]]:
    """What `BackendBase.note_ends` takes: one entry for a job, one for all items of an array that ended alike."""
    jobs: dict[str, dict[str, str]] = {}
    items: dict[tuple[str, str], list[int]] = {}
    for some, state in ended:
        status = state.lower()
        for job in some.records:
            if job.element is None:
                path = job.directory.metadata
                jobs[path] = {"path": path, "status": status, "ended_at": at}
            else:
                array = job.element.array.metadata
                items.setdefault((array, status), []).append(job.element.index)
    return [
        *jobs.values(),
        *(
            {"path": path, "status": status, "ended_at": at, "items": ranges(indices)}
            for (path, status), indices in items.items()
        ),
    ]
