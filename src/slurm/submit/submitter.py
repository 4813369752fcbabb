"""Handing calls to a cluster's backend, and making futures of its answers."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slurm import context
from slurm.api.requests import Archive
from slurm.array_job import SubmittedArray
from slurm.errors import DependencyFailed, SlurmError, SubmissionRefused, SubmissionUnknown
from slurm.job import Job
from slurm.job_dir.paths import ArrayDirectory
from slurm.packaging.sdk_archive import archive_for
from slurm.sbatch.array_layout import ArrayLayout

if TYPE_CHECKING:
    from slurm.api.requests import JobRequest, Progress, Submitted
    from slurm.cluster import Cluster
    from slurm.submit.batch import BatchedJob
    from slurm.submit.calls import ArrayCall, Call, TaskCall
    from slurm.submit.prepare import Placement, Prepared
    from slurm.tracking.listener import Submission


@dataclass(frozen=True)
class PreparedCall:
    """A call that has become requests, and where it belongs."""

    call: Call
    prepared: Prepared
    where: Placement


class Submitter:
    """Submits to one cluster, as long as it is open."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.closed = False

    def ready(self, call: TaskCall, placement: Placement | None) -> PreparedCall:
        """The call, ready to be submitted. Raises where it cannot travel."""
        from slurm.submit.prepare import prepare

        where, archive = self.destination(call, placement)
        return PreparedCall(call, prepare(call, self.cluster, where, archive), where)

    def submit_ready(self, ready: PreparedCall) -> Job[Any]:
        """See `Cluster.submit_call`."""
        cluster, call, prepared = self.cluster, ready.call, ready.prepared
        with cluster.listener.submitting(call, prepared, ready.where) as submission:
            [answer] = submission.answers = self._submit(ready, submission)
            job: Job[Any] = Job(
                cluster,
                id=answer.job_id,
                task_name=call.task.name,
                job_dir=answer.job_dir,
                token=call.token,
                dependencies=prepared.dependencies,
                reattached=answer.reattached,
            )
            submission.job = job
        cluster.tracker.watch(job)
        return job

    def submit_batch(self, jobs: Sequence[BatchedJob]) -> None:
        """Submit jobs in one request: each is made, or has its problem, afterwards.

        Raises what says nothing of any single job, such as `TransportError`.
        """
        self._require_open("a batch")
        with contextlib.ExitStack() as all_told:
            tellings = [all_told.enter_context(contextlib.ExitStack()) for _ in jobs]
            submissions = [
                telling.enter_context(
                    self.cluster.listener.submitting(
                        job.ready.call, job.ready.prepared, job.ready.where
                    )
                )
                for telling, job in zip(tellings, jobs)
            ]
            requests = [job.ready.prepared.requests[0] for job in jobs]
            try:
                answers = self._ask(requests, jobs[0].ready, submissions)
            except SubmissionUnknown as error:
                raise _unknown_batch(jobs, error) from error
            for telling, submission, answer, job in zip(tellings, submissions, answers, jobs):
                with contextlib.suppress(SlurmError), telling:
                    job.settle(answer, _problem_of(job.ready, answer))
                    submission.answers, submission.job = [answer], job
                    if job.problem is not None:
                        raise job.problem
        self.cluster.tracker.watch_all([job for job in jobs if job.problem is None])

    def submit_array(self, call: ArrayCall, placement: Placement | None) -> SubmittedArray:
        """See `Cluster.submit_array`."""
        from slurm.submit.prepare import prepare_array

        cluster = self.cluster
        where, archive = self.destination(call, placement)
        largest = cluster.site.backend.limits()["max_array_size"]
        layout = ArrayLayout(len(call.arguments), call.pack, largest)
        ready = PreparedCall(call, prepare_array(call, cluster, where, archive, layout), where)
        with cluster.listener.submitting(call, ready.prepared, where) as submission:
            answers = submission.answers = self._submit(ready, submission)
        return SubmittedArray(
            ids=tuple(answer.job_id for answer in answers),
            directory=ArrayDirectory(answers[0].job_dir),
            layout=layout,
            token=call.token,
            waits_for=ready.prepared.dependencies,
            reattached=answers[0].reattached,
        )

    def request_of(self, call: TaskCall) -> JobRequest:
        """The request that `submit_call` would hand to the backend."""
        from slurm.submit.prepare import prepare

        return prepare(call, self.cluster, *self.destination(call, None)).requests[0]

    def destination(self, call: Call, placement: Placement | None) -> tuple[Placement, Archive]:
        """Where the call's directory goes, and the SDK it runs with. Raises where nothing may be submitted."""
        from slurm.submit.prepare import Placement

        self._require_open(call.task.name)
        if context.is_loading_script():
            raise SlurmError(
                f"{call.task.name} was called while its script was being loaded on the node: put the "
                "part of the script that submits under  if __name__ == '__main__':"
            )
        base = self.cluster.site.job_base_dir
        return placement or Placement(base), archive_for(base)

    def _require_open(self, what: str) -> None:
        if self.closed:
            raise SlurmError(f"{what} was not submitted: its cluster was closed")

    def _ask(
        self, requests: Sequence[JobRequest], ready: PreparedCall, submissions: Sequence[Submission]
    ) -> list[Submitted]:
        """The answers to all requests, each of which belongs to the submission in its place."""
        cluster = self.cluster
        listening = {}  # a backend that is never handed large files need not know the word
        if cluster.site.backend.large_from is not None:
            listening["progress"] = _progress_of(requests, submissions)
        return cluster.site.backend.submit_jobs(
            requests,
            base=cluster.site.job_base_dir,
            events=cluster.site.event_dir,
            archive=ready.prepared.archive,
            **listening,
        )

    def _submit(self, ready: PreparedCall, submission: Submission) -> list[Submitted]:
        """The answers to all requests of one call. Raises unless all of it exists."""
        requests = ready.prepared.requests
        try:
            answers = self._ask(requests, ready, [submission] * len(requests))
        except SubmissionUnknown as error:  # the connection was lost: this holds for all of them
            raise _unknown(ready, error) from error
        problem = next(filter(None, (_problem_of(ready, answer) for answer in answers)), None)
        if problem is None:
            return answers
        accepted = [answer.job_id for answer in answers if answer.job_id]
        if accepted:  # a part of an array is none
            self.cluster.site.backend.cancel_jobs(accepted)
        raise problem


def _progress_of(
    requests: Sequence[JobRequest], submissions: Sequence[Submission]
) -> Progress | None:
    """Who is to hear of the large files of each request, by the directory that they are for."""
    listeners = {
        request.job_dir: submission.progress for request, submission in zip(requests, submissions)
    }

    def told(path: str, done: int, total: int) -> None:
        progress = listeners.get(posixpath.dirname(path))
        if progress is not None:
            progress(path, done, total)

    return told if any(listeners.values()) else None


def _problem_of(ready: PreparedCall, answer: Submitted) -> SlurmError | None:
    """Why there is no job, in the words of the call it was for."""
    error = answer.error
    if error is None:
        return None
    if isinstance(error, SubmissionUnknown):
        return _unknown(ready, error)
    hopeless = _hopeless(ready) if isinstance(error, SubmissionRefused) else None
    said = "; ".join(filter(None, map(str.strip, str(error).splitlines())))
    problem = hopeless or type(error)(f"{ready.call.task.name}: {said}")
    problem.__cause__ = error
    return problem


def _unknown(ready: PreparedCall, error: SubmissionUnknown) -> SubmissionUnknown:
    """Say how it can be found out later."""
    from slurm.submit.calls import TaskCall

    call, job_dir = ready.call, error.job_dir or ready.prepared.requests[0].job_dir
    found_by = "Job" if isinstance(call, TaskCall) else "ArrayJob"
    problem = SubmissionUnknown(
        f"{call.task.name}: nobody can tell now whether it was submitted: {error}. Later, the same key "
        f"or {found_by}.from_dir({job_dir!r}, cluster) finds the job if there is one",
        token=call.token,
        job_dir=job_dir,
    )
    problem.__cause__ = error
    return problem


def _unknown_batch(jobs: Sequence[BatchedJob], error: SubmissionUnknown) -> SubmissionUnknown:
    """The same of jobs that were asked for together; each of their futures asks again when it is used."""
    if len(jobs) == 1:
        return _unknown(jobs[0].ready, error)
    return SubmissionUnknown(
        f"a batch of {len(jobs)} jobs, {jobs[0].task_name} the first: nobody can tell now which of them "
        f"were submitted: {error}. Using one of the futures asks again, and submits none twice",
        token=jobs[0].token,
        job_dir=jobs[0].ready.prepared.requests[0].job_dir,
    )


def _hopeless(ready: PreparedCall) -> DependencyFailed | None:
    """Name the job that can not end as it would have to any more, if that is why the call was refused.

    As long as Slurm remembers a job that failed it takes others that wait for it, and the tracker
    gives them up; afterwards it refuses them, with a word about a dependency and none about the job.
    """
    from slurm.results.root_cause import root_of

    for dependency in ready.prepared.dependencies:
        for job in getattr(dependency.on, "jobs", (dependency.on,)):
            if not job.is_completed() or _is_as_wanted(job, dependency.type):
                continue
            root = root_of(job) if isinstance(job.exception(), DependencyFailed) else None
            culprit, state = (root.job_id, root.state) if root else (job.id, job.status.state)
            return DependencyFailed(
                f"{ready.call.task.name} was not submitted: it waits for {dependency.type} of job {job.id} "
                f"({job.task_name}), and job {culprit} ended as {state}",
                root_job_id=culprit,
            )
    return None


def _is_as_wanted(job: Job[Any], kind: str) -> bool:
    return kind == "afterany" or job.is_successful() == (kind != "afternotok")
