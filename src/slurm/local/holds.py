"""How often a job that keeps losing its supervisor is started again, and after which pause. Pure.

As Slurm 24.11 does it: ``MaxBatchRequeue`` (5) starts, and then the job stays in the queue, held, with
the reason JobHoldMaxRequeue, until somebody releases it. Between two starts Slurm has it wait until
the credential of the one before has expired, two minutes, with the reason BeginTime; here the first
pause is a second and each later one is twice as long.
"""

from __future__ import annotations

from slurm.local.jobs import LocalJob

MAX_BATCH_REQUEUE = 5
HELD = "JobHoldMaxRequeue"
RESTS = "BeginTime"
FIRST_PAUSE = 1.0  # seconds


def hold_of(job: LocalJob) -> str | None:
    """Why a pending job may not start whatever else there is, None where it may."""
    if not job.crashes:
        return None
    return HELD if job.crashes >= MAX_BATCH_REQUEUE else RESTS


def pause_before(job: LocalJob, first: float = FIRST_PAUSE) -> float:
    """Seconds before it is started again."""
    return float(first * 2 ** (job.crashes - 1))
