"""Tasks of an importable module, as a user would write them. The tests of the runner submit these."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slurm import (
    JobContext,
    WorkflowContext,
    current_job_context,
    get_active_context,
    reset_active_context,
    set_active_context,
    task,
    workflow,
)

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(frozen=True)
class Settings:
    rate: float
    more: Any = None


@task
def echo(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


@task
def fails(text: str) -> None:
    raise ValueError(text)


@task
def with_job(job: JobContext, number: int) -> Any:
    return job, number


@task
def with_job_as_text(number: Decimal, job: JobContext) -> Any:
    """Decimal is known to type checkers only: no annotation here can be resolved."""
    return job, number


@task
def without_parameter() -> Any:
    return current_job_context()


@task
def calls_another(number: int) -> Any:
    return echo.unwrapped(number)


@workflow
def with_workflow(ctx: WorkflowContext, number: int = 1) -> Any:
    (ctx.shared_dir / "note").write_text("from the workflow")
    return {
        "id": ctx.workflow_job_id,
        "dir": ctx.workflow_job_dir,
        "tasks": ctx.tasks_dir,
        "local": ctx.local_mode,
        "active": get_active_context() is ctx,
        "number": number,
    }


@workflow
def without_context() -> Any:
    return type(get_active_context()).__name__


@workflow
def submits_where_no_context_is_seen(ctx: WorkflowContext) -> Any:
    """As from the thread of a callback."""
    token = set_active_context(None)
    job = echo.submit(ctx.cluster)(1)
    reset_active_context(token)
    return job.id, job.job_dir


@workflow
def submits(number: int) -> Any:
    job = echo(number)
    return job.id, job.job_dir


@task
def reads(variable: str) -> str | None:
    return os.environ.get(variable)


@task
def waits_for_a_signal(pipe: str) -> str:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    with open(pipe, "w") as ready:
        ready.write("ready")
    return signal.Signals(signal.sigwait({signal.SIGUSR1})).name
