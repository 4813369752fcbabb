"""Why a job has no result, in words: what it asked for, how it ended, what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurm import errors
from slurm.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slurm.job import Job

STDERR_TAIL = 2000

ERROR_OF_STATE: dict[JobState, type[errors.JobFailed]] = {
    JobState.CANCELLED: errors.JobCancelled,
    JobState.TIMEOUT: errors.JobTimeout,
    JobState.DEADLINE: errors.JobTimeout,
    JobState.OUT_OF_MEMORY: errors.JobOutOfMemory,
    JobState.NODE_FAIL: errors.JobNodeFailed,
    JobState.BOOT_FAIL: errors.JobNodeFailed,
    JobState.PREEMPTED: errors.JobPreempted,
    JobState.UNKNOWN: errors.JobLost,
}
ADVICE: dict[JobState, str] = {
    JobState.TIMEOUT: "ask for more with the option time=, or do less per job",
    JobState.OUT_OF_MEMORY: "ask for more with the option mem=",
    JobState.NODE_FAIL: "submit it again; requeue=True lets Slurm do that",
    JobState.PREEMPTED: "submit it again; requeue=True lets Slurm do that",
    JobState.UNKNOWN: "the scheduler has forgotten it; its directory may tell what happened",
}


def failure_of(job: Job[Any]) -> errors.JobError:
    """The error for a finished `job` that left no result file."""
    status = job.status
    if status.never_starts or status.reason == "DependencyNeverSatisfied":
        return _dependency_failure(job)
    if status.state is JobState.COMPLETED:
        return errors.ResultMissing(
            f"job {job.id} ({job.task_name}) is COMPLETED but {job.directory.result} is not there",
            job_id=job.id,
            job_dir=job.job_dir,
        )
    stderr = stderr_tail(job)
    kind = ERROR_OF_STATE.get(status.state, errors.JobFailed)
    parts = [f"job {job.id} ({job.task_name}) ended as {status.state}"]
    if status.exit_code not in ("", "0:0"):
        parts.append(f"exit code {status.exit_code}")
    if status.state in ADVICE:
        parts.append(ADVICE[status.state])
    message = "; ".join(parts) + f". Its files: {job.job_dir}"
    if stderr:
        message += f"\nThe end of its stderr:\n{stderr}"
    return kind(
        message,
        job_id=job.id,
        job_dir=job.job_dir,
        state=str(status.state),
        exit_code=status.exit_code,
        stderr=stderr,
    )


def stderr_tail(job: Job[Any]) -> str:
    """The last lines the job wrote to stderr; empty where there is no such file."""
    try:
        tail = job.cluster.backend.read_tail(job.stderr_path, STDERR_TAIL)
    except errors.RemoteFileError:
        return ""
    return tail.decode("utf-8", "replace").strip()


def _dependency_failure(job: Job[Any]) -> errors.DependencyFailed:
    root = _root_cause(job)
    told = (
        f"because job {root.id} ({root.task_name}) ended as {root.status.state}"
        if root
        else ("because a job it depends on did not end as required")
    )
    return errors.DependencyFailed(
        f"job {job.id} ({job.task_name}) never started {told}",
        job_id=job.id,
        job_dir=job.job_dir,
        state=str(job.status.state),
    )


def _jobs_before(job: Job[Any]) -> Iterator[Job[Any]]:
    for dependency in job.dependencies:
        yield from getattr(dependency, "jobs", (dependency,))


def _root_cause(job: Job[Any]) -> Job[Any] | None:
    """The job at which the chain of failures began, as far as this client knows the chain."""
    for dependency in _jobs_before(job):
        # The dependency ended before this job was given up; its own news may come a moment later.
        if dependency.wait(timeout=10) and not dependency.is_successful():
            return _root_cause(dependency) or dependency
    return None
