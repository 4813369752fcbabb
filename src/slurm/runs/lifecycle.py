"""What a run's status may be, and from which to which it may move."""

from __future__ import annotations

import enum

from slurm.errors import SlurmError
from slurm.states import ACTIVE, ENDED, JobState


class RunStatus(str, enum.Enum):
    """How far a run is, in the words of its manifest.

    - ``pending``: it is to be submitted; the scheduler has not answered yet.
    - ``submitted``: the scheduler has accepted the job; Slurm's ``PENDING`` is this.
    - ``running``: the job has begun, and nobody has all of its artifacts yet; COMPLETING, SUSPENDED and a requeue are this.
    - ``synced``: its artifacts are here.
    - ``completed``: what is to be extracted from them is extracted.
    - ``failed``: there will be no more: the submission was given up, or the job ended in any other way than COMPLETED.
    """

    PENDING = "pending"
    SUBMITTED = "submitted"
    RUNNING = "running"
    SYNCED = "synced"
    COMPLETED = "completed"
    FAILED = "failed"

    def __str__(self) -> str:
        return self.value


class SyncStatus(str, enum.Enum):
    """How far the artifacts are on their way home: ``artifact_sync_to_local.status``."""

    PENDING = "pending"
    SYNCING = "syncing"
    OK = "ok"
    FAILED = "failed"

    def __str__(self) -> str:
        return self.value


# Other words for ``ok`` that a person may have written.
MEANING_OK = ("completed", "success", "passed")

ORDER = (
    RunStatus.PENDING,
    RunStatus.SUBMITTED,
    RunStatus.RUNNING,
    RunStatus.SYNCED,
    RunStatus.COMPLETED,
)
LAST = frozenset({RunStatus.COMPLETED, RunStatus.FAILED})


class StatusError(SlurmError):
    """A run cannot move from the one status to the other.

    >>> raise StatusError("from completed to running: a run's status never moves back")
    Traceback (most recent call last):
        ...
    slurm.runs.lifecycle.StatusError: from completed to running: a run's status never moves back
    """


def sync_status(word: str) -> SyncStatus:
    """The status that a word of ``artifact_sync_to_local.status`` means. Raises ``ValueError`` for another one.

    >>> sync_status("success")
    <SyncStatus.OK: 'ok'>
    """
    return SyncStatus.OK if word in MEANING_OK else SyncStatus(word)


def path_between(current: RunStatus, wanted: RunStatus) -> tuple[RunStatus, ...]:
    """The statuses that a run moves through after `current`, up to `wanted`; none where it is there.

    A run that was looked at too rarely passes those that nobody saw. Raises `StatusError` for a way back.

    >>> [str(status) for status in path_between(RunStatus.SUBMITTED, RunStatus.SYNCED)]
    ['running', 'synced']
    """
    if current is wanted:
        return ()
    if current in LAST:
        raise StatusError(f"from {current} to {wanted}: a run that is {current} stays so")
    if wanted is RunStatus.FAILED:
        return (wanted,)
    here, there = ORDER.index(current), ORDER.index(wanted)
    if there < here:
        raise StatusError(f"from {current} to {wanted}: a run's status never moves back")
    return ORDER[here + 1 : there + 1]


def status_for(state: JobState) -> RunStatus:
    """The status that a job's state asks for, as far as the scheduler can tell.

    A job that ended well is ``running`` until its artifacts are here.

    >>> status_for(JobState.COMPLETING), status_for(JobState.TIMEOUT)
    (<RunStatus.RUNNING: 'running'>, <RunStatus.FAILED: 'failed'>)
    """
    if state is JobState.COMPLETED or state in ACTIVE:
        return RunStatus.RUNNING
    return RunStatus.FAILED if state in ENDED else RunStatus.SUBMITTED
