"""A callback and the task it is told of. The file travels to clusters that have no such module."""

from __future__ import annotations

from slurm import BaseCallback, task
from slurm.callbacks import (
    CallbackContext,
    CompletedContext,
    ExecutionLocus,
    JobStatusUpdatedContext,
    PackagingBeginContext,
    PackagingEndContext,
    RunBeginContext,
    RunEndContext,
    SubmitBeginContext,
    SubmitEndContext,
)


class Diary(BaseCallback):
    """Writes down what it is told: on the client in `entries`, in a job to stdout."""

    locus = ExecutionLocus.BOTH

    def __init__(self) -> None:
        self.entries: list[tuple[str, str]] = []
        self.ended: dict[str, CompletedContext] = {}

    def _note(self, ctx: CallbackContext, what: str) -> None:
        if ctx.emitted_by is ExecutionLocus.RUNNER:
            print(what, ctx.task_name, ctx.job_id, ctx.array_index)
        else:
            self.entries.append((what, ctx.job_id))

    def on_begin_package_ctx(self, ctx: PackagingBeginContext) -> None:
        self._note(ctx, "packaging")

    def on_end_package_ctx(self, ctx: PackagingEndContext) -> None:
        self._note(ctx, "packaged")

    def on_begin_submit_job_ctx(self, ctx: SubmitBeginContext) -> None:
        self._note(ctx, "submitting")

    def on_end_submit_job_ctx(self, ctx: SubmitEndContext) -> None:
        self._note(ctx, "submitted")

    def on_job_status_update_ctx(self, ctx: JobStatusUpdatedContext) -> None:
        if ctx.changed:
            self._note(ctx, f"is {ctx.state}")

    def on_begin_run_job_ctx(self, ctx: RunBeginContext) -> None:
        self._note(ctx, "begins")

    def on_end_run_job_ctx(self, ctx: RunEndContext) -> None:
        self._note(ctx, f"ends {ctx.error}")

    def on_completed_ctx(self, ctx: CompletedContext) -> None:
        self._note(ctx, "completed")
        if ctx.emitted_by is ExecutionLocus.CLIENT:
            self.ended[ctx.job_id] = ctx


class Clumsy(BaseCallback):
    """Fails wherever it is told something."""

    locus = ExecutionLocus.BOTH

    def on_end_submit_job_ctx(self, ctx: SubmitEndContext) -> None:
        raise RuntimeError("not on the client")

    def on_begin_run_job_ctx(self, ctx: RunBeginContext) -> None:
        raise RuntimeError("not in the job")


@task
def halve(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number // 2
