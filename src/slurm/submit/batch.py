"""Many submissions in one round trip: the calls inside a ``with cluster.batch():`` block."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slurm import context
from slurm.api.requests import Submitted
from slurm.errors import SlurmError, SubmissionError
from slurm.job import Job

if TYPE_CHECKING:
    from types import TracebackType

    from slurm.array_job import ArrayJob
    from slurm.cluster import Cluster
    from slurm.context import SubmissionContext
    from slurm.submit.calls import ArrayCall, TaskCall
    from slurm.submit.submitter import PreparedCall

logger: logging.Logger = logging.getLogger(__name__)

# One request to the cluster: its answer comes when the last of its jobs has its id.
MOST_JOBS = 50
MOST_BYTES = 8 << 20


class BatchedJob(Job[Any]):
    """A job that is submitted with others of its batch, or when something needs to know its id."""

    def __init__(self, batch: Batch, ready: PreparedCall) -> None:
        super().__init__(
            batch.cluster,
            id="",
            task_name=ready.call.task.name,
            job_dir="",
            token=ready.call.token,
            dependencies=ready.prepared.dependencies,
        )
        self.ready = ready
        self.batch = batch
        self.answer: Submitted | None = None
        self.problem: SlurmError | None = None  # the scheduler's, or that it was given up
        self.asked_for = False  # the scheduler may have it, whether or not that was answered

    def settle(self, answer: Submitted, problem: SlurmError | None) -> None:
        """Take the scheduler's word on this job."""
        self.problem = problem
        self.answer = answer if problem is None else None

    def _submission(self) -> Submitted:
        if self.answer is None and self.problem is None:
            self.batch.submit_all()
        if self.answer is None:
            assert self.problem is not None  # noqa: S101 - tells type checkers
            self.batch.heard(self)
            raise self.problem
        return self.answer

    def __repr__(self) -> str:
        if self.answer is None:
            return f"<Job {self.task_name}, not submitted yet>"
        return super().__repr__()


class Batch:
    """The context of a ``with cluster.batch():`` block: tasks called in it are submitted together.

    See `Cluster.batch`. Calls from threads that outlive the block are submitted by themselves.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.batched_context: SubmissionContext = cluster
        self._jobs: list[BatchedJob] = []
        self._unheard: list[SlurmError] = []
        self._over = False
        self._changing = threading.Lock()
        self._submitting = threading.RLock()
        self._entered = contextlib.ExitStack()

    def __enter__(self) -> Batch:
        active = context.get_active_context()
        if active is not None and getattr(active, "cluster", active) is self.cluster:
            self.batched_context = active  # a workflow's own, say
        self._entered.enter_context(self.cluster)
        self._entered.callback(context.reset_active_context, context.set_active_context(self))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changing:
            self._over = True
        try:
            if kind is None:
                self.submit()
            else:
                self._give_up()
        finally:
            self._entered.__exit__(kind, error, traceback)

    def __len__(self) -> int:
        """How many jobs wait to be submitted."""
        return len(self._jobs)

    def submit_call(self, call: TaskCall) -> Job[Any]:
        """The future of a task's call; it is submitted when the block ends or its id is needed."""
        return self.batched_context.submit_call(call)

    def map_call(self, call: ArrayCall) -> ArrayJob[Any]:
        """The array of a mapped task, which is a submission of its own."""
        return self.batched_context.map_call(call)

    def add(self, ready: PreparedCall) -> Job[Any] | None:
        """Have a call that can travel submitted with the others; None when the block has ended."""
        job = BatchedJob(self, ready)
        with self._changing:
            if self._over:
                return None
            self._jobs.append(job)
        return job

    def submit(self) -> None:
        """Submit what was called so far; the end of the block does.

        Raises the first problem of a job which nobody has been told yet. The others are submitted.
        """
        self.submit_all()
        with self._changing:
            problems, self._unheard = self._unheard, []
        for problem in problems[1:]:
            logger.error("a job of a batch was not submitted: %s", problem)
        if problems:
            raise problems[0]

    def heard(self, job: BatchedJob) -> None:
        """Somebody was told why `job` was not submitted."""
        with self._changing:
            self._unheard = [one for one in self._unheard if one is not job.problem]

    def submit_all(self) -> None:
        """Submit what was called so far; every job has its answer or its problem then.

        Raises what says nothing of any job, such as `TransportError`: the jobs that were not answered
        for are asked for again, by their tokens, when one of them is used.
        """
        with self._submitting:
            while self._jobs:
                part = self._jobs[: _fitting(self._jobs)]
                for job in part:
                    job.asked_for = True
                self.cluster.submit_batch(part)
                with self._changing:
                    self._jobs = self._jobs[len(part) :]
                    self._unheard += [job.problem for job in part if job.problem is not None]

    def _give_up(self) -> None:
        with self._changing:
            left = [job for job in self._jobs if not job.asked_for]
            self._jobs = [job for job in self._jobs if job.asked_for]
        if left:
            logger.warning(
                "jobs of a batch are not submitted, for it was left by an exception: %d", len(left)
            )
        for job in left:
            job.problem = SubmissionError(
                f"{job.task_name} was not submitted: its batch was left by an exception"
            )


def _fitting(jobs: Sequence[BatchedJob]) -> int:
    """How many of these jobs go into one request."""
    total = 0
    for count, job in enumerate(jobs[:MOST_JOBS]):
        total += sum(
            len(data) for one in job.ready.prepared.requests for data in one.files.values()
        )
        if total > MOST_BYTES and count:
            return count
    return min(len(jobs), MOST_JOBS)
