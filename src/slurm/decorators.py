"""`task` and `workflow`: what turns a function into a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from slurm.job_dir.tracebacks import UsersFrames
from slurm.task import SlurmTask

R = TypeVar("R")

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Concatenate, ParamSpec, Protocol

    from slurm.job import Job
    from slurm.packaging.by_name import PackagingConfig
    from slurm.runtime import JobContext
    from slurm.workflow import WorkflowContext

    P = ParamSpec("P")
    # What `async def` functions return. Of those, and of functions that return a job, the job returns the R.
    Later = Coroutine[Any, Any, R]

    class TaskDecorator(Protocol):
        """Makes tasks; a leading parameter for the job's context is not the caller's to give."""

        @overload
        def __call__(
            self, func: Callable[Concatenate[JobContext, P], Job[R]], /
        ) -> SlurmTask[P, R]: ...
        @overload
        def __call__(
            self, func: Callable[Concatenate[JobContext, P], Later[R]], /
        ) -> SlurmTask[P, R]: ...
        @overload
        def __call__(self, func: Callable[Concatenate[JobContext, P], R], /) -> SlurmTask[P, R]: ...
        @overload
        def __call__(self, func: Callable[P, Job[R]], /) -> SlurmTask[P, R]: ...
        @overload
        def __call__(self, func: Callable[P, Later[R]], /) -> SlurmTask[P, R]: ...
        @overload
        def __call__(self, func: Callable[P, R], /) -> SlurmTask[P, R]: ...

    class WorkflowDecorator(Protocol):
        """Makes workflows; a leading parameter for the context is not the caller's to give."""

        @overload
        def __call__(
            self, func: Callable[Concatenate[WorkflowContext, P], Job[R]], /
        ) -> SlurmTask[P, R]: ...
        @overload
        def __call__(
            self, func: Callable[Concatenate[WorkflowContext, P], Later[R]], /
        ) -> SlurmTask[P, R]: ...
        @overload
        def __call__(
            self, func: Callable[Concatenate[WorkflowContext, P], R], /
        ) -> SlurmTask[P, R]: ...
        @overload
        def __call__(self, func: Callable[P, Job[R]], /) -> SlurmTask[P, R]: ...
        @overload
        def __call__(self, func: Callable[P, Later[R]], /) -> SlurmTask[P, R]: ...
        @overload
        def __call__(self, func: Callable[P, R], /) -> SlurmTask[P, R]: ...


@overload
def task(func: Callable[Concatenate[JobContext, P], Job[R]], /) -> SlurmTask[P, R]: ...
@overload
def task(func: Callable[Concatenate[JobContext, P], Later[R]], /) -> SlurmTask[P, R]: ...
@overload
def task(func: Callable[Concatenate[JobContext, P], R], /) -> SlurmTask[P, R]: ...
@overload
def task(func: Callable[P, Job[R]], /) -> SlurmTask[P, R]: ...
@overload
def task(func: Callable[P, Later[R]], /) -> SlurmTask[P, R]: ...
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
    so, a job gets ``nodes=1, ntasks=1, mem="1G", time="00:10:00"``; ``mem=None`` leaves one of them to
    the scheduler. With ``requeue=True``, or a number
    for at most so many times, a job may come back after its time limit or a preemption, see
    `JobContext.should_stop`. An ``async def`` function is run with ``asyncio.run``. Raises `ConfigError` for an option
    that sbatch does not have or a value that it would refuse, and for a generator function.

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
def workflow(func: Callable[Concatenate[WorkflowContext, P], Job[R]], /) -> SlurmTask[P, R]: ...
@overload
def workflow(func: Callable[Concatenate[WorkflowContext, P], Later[R]], /) -> SlurmTask[P, R]: ...
@overload
def workflow(func: Callable[Concatenate[WorkflowContext, P], R], /) -> SlurmTask[P, R]: ...
@overload
def workflow(func: Callable[P, Job[R]], /) -> SlurmTask[P, R]: ...
@overload
def workflow(func: Callable[P, Later[R]], /) -> SlurmTask[P, R]: ...
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
    inside the function are submitted from there. Where it returns jobs, as deep as you like, their results take their
    places. Raises `ConfigError` as `task` does.

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

    def decorate(function: Callable[..., Any]) -> SlurmTask[Any, Any]:
        with UsersFrames():
            return SlurmTask(function, options=sbatch_kwargs, packaging=packaging, is_workflow=True)

    with UsersFrames():
        return decorate if func is None else decorate(func)
