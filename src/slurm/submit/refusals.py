"""Why there is no job, in the words of the call that it was for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from slurm.errors import DependencyFailed, SlurmError, SubmissionRefused, SubmissionUnknown
from slurm.sbatch.dependency import Verdict

if TYPE_CHECKING:
    from slurm.api.requests import Submitted
    from slurm.submit.draft import PreparedCall
    from slurm.tracking.record import Dependency


def problem_of(prepared: PreparedCall, answer: Submitted) -> SlurmError | None:
    """Why there is no job, in the words of the call it was for."""
    error = answer.error
    if error is None:
        return None
    if isinstance(error, SubmissionUnknown):
        return unknown(prepared, error)
    never = _never_starts(prepared) if isinstance(error, SubmissionRefused) else None
    said = "; ".join(filter(None, map(str.strip, str(error).splitlines())))
    problem = never or type(error)(f"{prepared.name}: {said}")
    problem.__cause__ = error
    return problem


def unknown(prepared: PreparedCall, error: SubmissionUnknown) -> SubmissionUnknown:
    """Say how it can be found out later."""
    job_dir = error.job_dir or prepared.requests[0].job_dir
    found_by = "Job" if prepared.array_size is None else "ArrayJob"
    problem = SubmissionUnknown(
        f"{prepared.name}: nobody can tell now whether it was submitted: {error}. Later, the same key "
        f"or {found_by}.from_dir({job_dir!r}, cluster) finds the job if there is one",
        token=prepared.token,
        job_dir=job_dir,
    )
    problem.__cause__ = error
    return problem


def unknown_batch(prepared: Sequence[PreparedCall], error: SubmissionUnknown) -> SubmissionUnknown:
    """The same of jobs that were asked for together; each of their futures asks again when it is used."""
    if len(prepared) == 1:
        return unknown(prepared[0], error)
    return SubmissionUnknown(
        f"a batch of {len(prepared)} jobs, {prepared[0].name} the first: nobody can tell now which of them "
        f"were submitted: {error}. Using one of the futures asks again, and submits none twice",
        token=prepared[0].token,
        job_dir=prepared[0].requests[0].job_dir,
    )


def _never_starts(prepared: PreparedCall) -> DependencyFailed | None:
    """Name the job that can not end as it would have to any more, if that is why the call was refused.

    As long as Slurm remembers a job that failed it takes others that wait for it, and the tracker
    gives them up; afterwards it refuses them, with a word about a dependency and none about the job.
    """
    broken = (one for one in prepared.dependencies if one.verdict is Verdict.BROKEN)
    dependency = next(broken, None)
    return None if dependency is None else hopeless(prepared.name, dependency)


def hopeless(name: str, dependency: Dependency) -> DependencyFailed:
    """Why a call of `name` is not submitted: the dependency is broken."""
    from slurm.results.root_cause import root_of

    wanted = dependency.type != "afternotok"
    job = next(one for one in dependency.on.records if one.ended_well is not wanted)
    error = job.operations.fetch(job).error
    root = root_of(job) if isinstance(error, DependencyFailed) else None
    culprit, state = (root.job_id, root.state) if root else (job.id, job.status.state)
    return DependencyFailed(
        f"{name} was not submitted: it waits for {dependency.type} of job {job.id} "
        f"({job.task_name}), and job {culprit} ended as {state}",
        root_job_id=culprit,
    )
