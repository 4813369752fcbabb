"""`task` and `workflow`: what turns a function into a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from slurm.job_dir.tracebacks import UsersFrames
from slurm.task import SlurmTask

R = TypeVar("R")

if TYPE_CHECKING:
    from typing import Concatenate, ParamSpec, Protocol

    from slurm.packaging.by_name import PackagingConfig
    from slurm.runtime import JobContext
    from slurm.workflow import WorkflowContext

    P = ParamSpec("P")

    class TaskDecorator(Protocol):
        """Makes tasks; a leading parameter for the job's context is not the caller's to give."""

        @overload
        def __call__(self, func: Callable[Concatenate[JobContext, P], R], /) -> SlurmTask[P, R]: ...
        @overload
        def __call__(self, func: Callable[P, R], /) -> SlurmTask[P, R]: ...

    class WorkflowDecorator(Protocol):
        """Makes workflows; a leading parameter for the context is not the caller's to give."""

        @overload
        def __call__(
            self, func: Callable[Concatenate[WorkflowContext, P], R], /
        ) -> SlurmTask[P, R]: ...
        @overload
        def __call__(self, func: Callable[P, R], /) -> SlurmTask[P, R]: ...


WORKFLOW_TIME = "01:00:00"


@overload
def task(func: Callable[Concatenate[JobContext, P], R], /) -> SlurmTask[P, R]: ...
@overload
def task(func: Callable[P, R], /) -> SlurmTask[P, R]: ...
@overload
def task(
    func: None = None, /, *, packaging: PackagingConfig = None, **sbatch_kwargs: Any
) -> TaskDecorator: ...
def task(
    func: Callable[..., Any] | None = None,
    /,
    *,
    packaging: PackagingConfig = None,
    **sbatch_kwargs: Any,
) -> Any:
    """Make a function a task: called inside a cluster's context it becomes a Slurm job.

    `sbatch_kwargs` are sbatch's long options as Python keywords (``cpus_per_task=4``,
    ``time="00:30:00"``, ``gres="gpu:1"``); where neither they nor the cluster's configuration say
    so, a job gets ``nodes=1, ntasks=1, mem="1G", time="00:10:00"``. With ``requeue=True``, or a number
    for at most so many times, a job may come back after its time limit or a preemption, see
    `JobContext.should_stop`. Raises `ConfigError` for an option that sbatch does not have or a value
    that it would refuse.

    >>> @task(time="00:30:00", mem="4G")
    ... def double(number: int) -> int:
    ...     return 2 * number
    >>> double.unwrapped(21)
    42
    """

    def decorate(function: Callable[..., Any]) -> SlurmTask[Any, Any]:
        with UsersFrames():
            return SlurmTask(function, options=sbatch_kwargs, packaging=packaging)

    with UsersFrames():
        return decorate if func is None else decorate(func)


@overload
def workflow(func: Callable[Concatenate[WorkflowContext, P], R], /) -> SlurmTask[P, R]: ...
@overload
def workflow(func: Callable[P, R], /) -> SlurmTask[P, R]: ...
@overload
def workflow(
    func: None = None, /, *, packaging: PackagingConfig = None, **sbatch_kwargs: Any
) -> WorkflowDecorator: ...
def workflow(
    func: Callable[..., Any] | None = None,
    /,
    *,
    packaging: PackagingConfig = None,
    **sbatch_kwargs: Any,
) -> Any:
    """Make a function a workflow: a job that submits jobs.

    As `task`, with a default time of one hour. A parameter annotated `WorkflowContext` is filled
    in on the node; put it first, and type checkers know that callers leave it out. Tasks called
    inside the function are submitted from there. Raises `ConfigError` as `task` does.

    >>> from slurm import Cluster, WorkflowContext, task, workflow
    >>> @task
    ... def double(number: int) -> int:
    ...     return 2 * number
    >>> @workflow
    ... def double_twice(ctx: WorkflowContext, number: int) -> int:
    ...     first = double(number).get_result()
    ...     return 2 * first
    >>> with Cluster("local"):
    ...     double_twice(1).get_result()
    4
    """
    options = {"time": WORKFLOW_TIME, **sbatch_kwargs}

    def decorate(function: Callable[..., Any]) -> SlurmTask[Any, Any]:
        with UsersFrames():
            return SlurmTask(function, options=options, packaging=packaging, is_workflow=True)

    with UsersFrames():
        return decorate if func is None else decorate(func)
