"""Handing calls to a cluster's backend, and making futures of its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurm import context
from slurm.api.base import Archive
from slurm.archive import archive_for
from slurm.array_job import SubmittedArray
from slurm.array_layout import ArrayLayout
from slurm.errors import DependencyFailed, SlurmError, SubmissionRefused
from slurm.job import Job
from slurm.job_dir import ArrayDirectory
from slurm.root_cause import root_of

if TYPE_CHECKING:
    from slurm.api.base import JobRequest, Submitted
    from slurm.calls import ArrayCall, Call, TaskCall
    from slurm.cluster import Cluster
    from slurm.submission import Placement, Prepared


class Submitter:
    """Submits to one cluster, as long as it is open."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.closed = False

    def submit_call(self, call: TaskCall, placement: Placement | None) -> Job[Any]:
        """See `Cluster.submit_call`."""
        from slurm.submission import prepare

        cluster = self.cluster
        where, archive = self.destination(call, placement)
        prepared = prepare(call, cluster, where, archive)
        with cluster.dispatcher.submitting(call, prepared, where) as submission:
            [answer] = submission.answers = self._submit(call, prepared)
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

    def submit_array(self, call: ArrayCall, placement: Placement | None) -> SubmittedArray:
        """See `Cluster.submit_array`."""
        from slurm.submission import prepare_array

        cluster = self.cluster
        where, archive = self.destination(call, placement)
        largest = cluster.backend.limits()["max_array_size"]
        layout = ArrayLayout(len(call.arguments), call.pack, largest)
        prepared = prepare_array(call, cluster, where, archive, layout)
        with cluster.dispatcher.submitting(call, prepared, where) as submission:
            answers = submission.answers = self._submit(call, prepared)
        return SubmittedArray(
            ids=tuple(answer.job_id for answer in answers),
            directory=ArrayDirectory(answers[0].job_dir),
            layout=layout,
            token=call.token,
            waits_for=prepared.dependencies,
            reattached=answers[0].reattached,
        )

    def request_of(self, call: TaskCall) -> JobRequest:
        """The request that `submit_call` would hand to the backend."""
        from slurm.submission import prepare

        return prepare(call, self.cluster, *self.destination(call, None)).requests[0]

    def destination(self, call: Call, placement: Placement | None) -> tuple[Placement, Archive]:
        """Where the call's directory goes, and the SDK it runs with. Raises where nothing may be submitted."""
        from slurm.submission import Placement

        if self.closed:
            raise SlurmError(f"{call.task.name} was not submitted: its cluster was closed")
        if context.is_loading_script():
            raise SlurmError(
                f"{call.task.name} was called while its script was being loaded on the node: put the "
                "part of the script that submits under  if __name__ == '__main__':"
            )
        base = self.cluster.job_base_dir
        return placement or Placement(base), archive_for(base)

    def _submit(self, call: Call, prepared: Prepared) -> list[Submitted]:
        cluster = self.cluster
        answers = cluster.backend.submit_jobs(
            prepared.requests,
            base=cluster.job_base_dir,
            events=cluster.event_dir,
            archive=prepared.archive,
        )
        error = next((answer.error for answer in answers if answer.error is not None), None)
        if error is None:
            return answers
        accepted = [answer.job_id for answer in answers if answer.job_id]
        if accepted:  # a part of an array is none
            cluster.backend.cancel_jobs(accepted)
        if isinstance(error, SubmissionRefused):
            _raise_hopeless(call, prepared)
        raise type(error)(f"{call.task.name}: {error}") from error


def _raise_hopeless(call: Call, prepared: Prepared) -> None:
    """Name the job that can not end as it would have to any more, if that is why the call was refused.

    As long as Slurm remembers a job that failed it takes others that wait for it, and the tracker
    gives them up; afterwards it refuses them, with a word about a dependency and none about the job.
    """
    for dependency in prepared.dependencies:
        for job in getattr(dependency.on, "jobs", (dependency.on,)):
            if not job.is_completed() or _is_as_wanted(job, dependency.type):
                continue
            root = root_of(job) if isinstance(job.exception(), DependencyFailed) else None
            culprit, state = (root.job_id, root.state) if root else (job.id, job.status.state)
            raise DependencyFailed(
                f"{call.task.name} was not submitted: it waits for {dependency.type} of job {job.id} "
                f"({job.task_name}), and job {culprit} ended as {state}",
                root_job_id=culprit,
            )


def _is_as_wanted(job: Job[Any], kind: str) -> bool:
    return kind == "afterany" or job.is_successful() == (kind != "afternotok")
