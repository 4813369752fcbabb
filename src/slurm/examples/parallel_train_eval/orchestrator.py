"""The orchestrator: epoch after epoch of training jobs, an evaluation beside each.

It may be killed at any moment and run again. Every submission has a key made of the run, the kind,
the epoch and a number, so that asking for a job twice yields the job that is already there; and the
number only moves on once the outcome of the job before it is on disk.
"""

from __future__ import annotations

import logging
from typing import Any

from slurm import Job, SlurmTask, WorkflowContext
from slurm.errors import (
    JobCancelled,
    JobFailed,
    RemoteFileMissing,
    SchedulerUnreachable,
    SlurmError,
    SubmissionRefused,
    TransportError,
)
from slurm.examples.parallel_train_eval.eval_task import evaluate_epoch, read_metrics
from slurm.examples.parallel_train_eval.files import set_aside_damaged
from slurm.examples.parallel_train_eval.plan import Plan
from slurm.examples.parallel_train_eval.state import RunState
from slurm.examples.parallel_train_eval.train_task import read_checkpoint, train_epoch

logger: logging.Logger = logging.getLogger(__name__)

FAILURES_WITHOUT_PROGRESS = 3


class EvaluationFailed(SlurmError):
    """Training went to its end, and an evaluation beside it did not."""


class Orchestrator:
    """Works through `plan`; everything it knows is in `state`."""

    train: SlurmTask[..., Any]
    evaluate: SlurmTask[..., Any]

    def __init__(self, plan: Plan, ctx: WorkflowContext) -> None:
        self.plan = plan
        self.ctx = ctx
        self.state: RunState = RunState(plan)
        self.train, self.evaluate = tasks_for(plan)
        self.evaluations: dict[int, Job[dict[str, Any]]] = {}

    def run(self) -> dict[str, Any]:
        """Do what is left of the run; returns its state."""
        content = self.state.content
        content["status"] = "running"
        content["orchestrators"].append(self.ctx.workflow_job_id)
        self.state.record("orchestrator_started", job_id=self.ctx.workflow_job_id)
        for epoch in range(self.plan.epochs):
            trained = self._train(epoch)
            self._start_evaluation(epoch, trained)
        for epoch in list(self.evaluations):
            self._finish_evaluation(epoch)
        failed = self.state.failed_evaluations()
        content["status"] = "evaluation failed" if failed else "completed"
        self.state.record("orchestrator_finished", job_id=self.ctx.workflow_job_id)
        if failed:  # only now: no evaluation holds up training, nor the other evaluations
            raise EvaluationFailed(
                f"training is complete, and {len(failed)} of {self.plan.epochs} evaluations failed: "
                f"{'; '.join(failed)}. The same command again repeats those"
            )
        logger.info("run completed, state in %s", self.plan.state_path)
        return content

    # Training

    def _train(self, epoch: int) -> Job[dict[str, Any]] | None:
        """Train an epoch to its end, job after job; the last job, unless that was an earlier run's."""
        entry = self.state.epoch(epoch)
        jobs = entry["train_jobs"]
        last: Job[dict[str, Any]] | None = None
        self.state.content["current_epoch"] = epoch
        self.state.content["steps_completed"] = entry["steps_completed"]
        while not self._epoch_is_trained(epoch):
            last = self._submit(self.train, "train", epoch, jobs, self.plan, epoch)
            self._await_training(epoch, last)
        return last

    def _epoch_is_trained(self, epoch: int) -> bool:
        """Whether all steps are done, by what the recorded jobs are known to have done.

        The checkpoint alone may owe steps to a job that was submitted and not recorded any more;
        asking for the next job finds that one.
        """
        jobs = self.state.epoch(epoch)["train_jobs"]
        unheard = not jobs or jobs[-1]["outcome"] is None
        return not unheard and jobs[-1]["steps_completed"] >= self.plan.epoch_steps

    def _await_training(self, epoch: int, job: Job[dict[str, Any]]) -> None:
        jobs = self.state.epoch(epoch)["train_jobs"]
        try:
            jobs[-1].update(job.get_result(), outcome="completed")
        except Exception as error:
            self._note_failure(epoch, jobs[-1], str(job.get_status()).lower())
            if not _worth_another(error, job, jobs):
                raise
            logger.warning("epoch %d: %s; going on from the checkpoint", epoch, error)
            return
        self._note_progress(epoch)
        self.state.record("train_finished", epoch=epoch, job_id=job.id)
        self._collect_evaluations()

    def _note_failure(self, epoch: int, record: dict[str, Any], outcome: str) -> None:
        # The outcome first: what cannot be read now must not make the next start wait for this job.
        record.update(outcome=outcome, steps_completed=self.state.epoch(epoch)["steps_completed"])
        self.state.record("train_failed", epoch=epoch, job_id=record["job_id"])
        record["steps_completed"] = self._steps_on_disk(epoch)
        self._note_progress(epoch)
        self.state.save()

    def _note_progress(self, epoch: int) -> None:
        steps = self._steps_on_disk(epoch)
        self.state.epoch(epoch)["steps_completed"] = steps
        self.state.content["steps_completed"] = steps
        logger.info("epoch %d: %d of %d steps", epoch, steps, self.plan.epoch_steps)

    def _steps_on_disk(self, epoch: int) -> int:
        checkpoint = read_checkpoint(self.plan.checkpoint_path(epoch), epoch)
        return checkpoint["steps_completed"] if checkpoint else 0

    # Evaluation

    def _start_evaluation(self, epoch: int, trained: Job[dict[str, Any]] | None) -> None:
        """Submit the epoch's evaluation and do not wait: the next epoch's training comes first."""
        entry = self.state.epoch(epoch)
        jobs = entry["eval_jobs"]
        if jobs and jobs[-1]["outcome"] == "completed":
            return
        if jobs:  # an earlier one failed: perhaps over metrics that nobody can read
            path = self.plan.metrics_path(epoch)
            damaged = set_aside_damaged(path, lambda file: read_metrics(file, epoch))
            if damaged is not None:
                logger.warning("epoch %d: its metrics cannot be read, kept as %s", epoch, damaged)
        source: Any = trained or self._last_training(epoch)
        if source is None:
            source = {"epoch": epoch, "checkpoint": entry["checkpoint"]}
        try:
            job = self._submit(self.evaluate, "eval", epoch, jobs, self.plan, source)
            if job.reattached and _has_failed(job):
                self._note_failed_evaluation(epoch, job, job.exception())
                job = self._submit(self.evaluate, "eval", epoch, jobs, self.plan, source)
        except SubmissionRefused as error:
            jobs.append({"job_id": None, "job_dir": None, "depends_on": []})
            self._note_failed_evaluation(epoch, None, error)
        else:
            self.evaluations[epoch] = job

    def _last_training(self, epoch: int) -> Job[dict[str, Any]] | None:
        """The epoch's last training job, when an earlier orchestrator waited for it."""
        cluster = self.ctx.cluster
        job_id = self.state.epoch(epoch)["train_jobs"][-1]["job_id"]
        try:
            job: Job[dict[str, Any]] | None = cluster.get_job(job_id) if cluster else None
        except RemoteFileMissing:  # its directory was removed; the checkpoint is all there is
            return None
        return job if job is not None and not _has_failed(job) else None

    def _collect_evaluations(self) -> None:
        """Note the evaluations that have ended meanwhile."""
        for epoch in [e for e, job in self.evaluations.items() if job.is_completed()]:
            self._finish_evaluation(epoch)

    def _finish_evaluation(self, epoch: int) -> None:
        entry = self.state.epoch(epoch)
        job = self.evaluations.pop(epoch)
        try:
            entry["eval_jobs"][-1].update(job.get_result(), outcome="completed")
        except (TransportError, SchedulerUnreachable):
            raise  # which says nothing about the evaluation
        except Exception as error:  # noqa: BLE001 - whatever the evaluation raised is noted, and said at the end
            self._note_failed_evaluation(epoch, job, error)
            return
        entry["loss"] = entry["eval_jobs"][-1]["loss"]
        self.state.record("eval_finished", epoch=epoch, job_id=job.id)
        logger.info("epoch %d: loss %.6f, metrics in %s", epoch, entry["loss"], entry["metrics"])

    def _note_failed_evaluation(
        self, epoch: int, job: Job[dict[str, Any]] | None, error: BaseException | None
    ) -> None:
        """Write it down and go on: what counts is noted in the state, and said again at the end."""
        state = "refused" if job is None else str(job.get_status()).lower()
        outcome = (
            "failed" if state == "completed" else state
        )  # it ended well, and its result cannot be read
        text = " ".join(f"{type(error).__name__}: {error}".split())
        self.state.epoch(epoch)["eval_jobs"][-1].update(outcome=outcome, error=text)
        self.state.record("eval_failed", epoch=epoch, job_id=None if job is None else job.id)
        logger.error("epoch %d: its evaluation failed, training goes on: %s", epoch, text)

    # Submission

    def _submit(
        self,
        task: SlurmTask[Any, Any],
        kind: str,
        epoch: int,
        jobs: list[dict[str, Any]],
        *arguments: Any,
    ) -> Job[dict[str, Any]]:
        """The job for the next entry of `jobs`: a new one, or the one that was submitted already."""
        open_entry = bool(jobs) and jobs[-1]["outcome"] is None
        number = len(jobs) - 1 if open_entry else len(jobs)
        key = f"{self.state.run_id}/{kind}/{epoch}/{number}"
        job: Job[dict[str, Any]] = task.submit(self.ctx, key=key)(*arguments)
        if open_entry and jobs[-1]["job_id"] != job.id:
            # The job directories were moved or removed, and with them the knowledge of that job.
            jobs[-1].update(outcome="lost", steps_completed=self._steps_on_disk(epoch))
            open_entry = False
        if not open_entry:
            jobs.append({"job_id": job.id, "job_dir": job.job_dir, "outcome": None})
            jobs[-1]["depends_on"] = [dependency.id for dependency in job.dependencies]
            self.state.record(f"{kind}_submitted", epoch=epoch, job_id=job.id)
        how = "following" if job.reattached else "submitted"
        logger.info("epoch %d: %s %s job %s", epoch, how, kind, job.id)
        return job


def tasks_for(plan: Plan) -> tuple[SlurmTask[..., Any], SlurmTask[..., Any]]:
    """Training and evaluation with the partitions and resources of `plan`. Raises `ConfigError`."""
    wanted = (
        {"partition": plan.partition_train, "gres": plan.gres_train},
        {"partition": plan.partition_eval},
    )
    # What the plan does not name is the site's to say; None would leave it out of the job script.
    train, evaluate = ({name: value for name, value in one.items() if value} for one in wanted)
    return train_epoch.with_options(**train), evaluate_epoch.with_options(**evaluate)


def _has_failed(job: Job[Any]) -> bool:
    job.get_status()
    return job.is_completed() and not job.is_successful()


def _worth_another(error: Exception, job: Job[Any], jobs: list[dict[str, Any]]) -> bool:
    """Whether training should go on in a new job: it was killed, and not on purpose or in vain."""
    if isinstance(error, JobCancelled):
        return job.reattached  # cancelled while no orchestrator was there: this start is the answer
    return (
        isinstance(error, JobFailed)
        and _failures_without_progress(jobs) < FAILURES_WITHOUT_PROGRESS
    )


def _failures_without_progress(jobs: list[dict[str, Any]]) -> int:
    """How many of the last jobs ended badly at the same step."""
    at = jobs[-1]["steps_completed"]
    count = 0
    for job in reversed(jobs):
        if job["outcome"] == "completed" or job["steps_completed"] != at:
            break
        count += 1
    return count
