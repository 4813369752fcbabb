"""A callback beside its tasks, for the tests on the real cluster, where no such module is: the file travels."""

from __future__ import annotations

from slurm import BaseCallback, task, workflow
from slurm.callbacks import CompletedContext, ExecutionLocus, RunBeginContext, RunEndContext


class Says(BaseCallback):
    """Prints in the job, and remembers on the client, what it is told."""

    locus = ExecutionLocus.BOTH

    def __init__(self) -> None:
        self.ended: dict[str, CompletedContext] = {}

    def on_begin_run_job_ctx(self, ctx: RunBeginContext) -> None:
        print("begins", ctx.task_name, ctx.job_id, ctx.array_index, ctx.node)

    def on_end_run_job_ctx(self, ctx: RunEndContext) -> None:
        print("ends", ctx.task_name, ctx.job_id, ctx.parent_workflow, ctx.error)

    def on_completed_ctx(self, ctx: CompletedContext) -> None:
        if ctx.emitted_by is ExecutionLocus.CLIENT:
            self.ended[ctx.job_id] = ctx
            print("hears of", ctx.task_name, ctx.job_id)


@task(time="00:02:00", mem="100M")
def halve(number: int) -> float:
    if number % 2:
        raise ValueError("odd")
    return number / 2


@workflow(time="00:05:00", mem="200M")
def halves() -> str:
    """What its only child printed."""
    job = halve(4)
    job.get_result()
    return job.get_stdout()
