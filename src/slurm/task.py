"""A decorated function: called inside a cluster's context, it submits itself and returns a future."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from slurm.config.checks import own_copy
from slurm.context import get_active_context, submitter_for, submitter_here
from slurm.errors import ConfigError, NoActiveContext
from slurm.job_dir.placeholder import JobResultPlaceholder
from slurm.job_dir.tracebacks import UsersFrames
from slurm.sbatch.options import Options, normalise
from slurm.sbatch.overlay import DEFAULT_OPTIONS, WORKFLOW_OPTIONS, overlay

if TYPE_CHECKING:
    from typing import ParamSpec

    from slurm.array_job import ArrayJob
    from slurm.cluster import Cluster
    from slurm.job import Job
    from slurm.packaging.by_name import PackagingConfig
    from slurm.tracking.upstream import Dependency
    from slurm.workflow import WorkflowContext

    P = ParamSpec("P")
else:
    P = TypeVar("P")  # Python 3.9 has no ParamSpec, and at run time nothing looks at it

R = TypeVar("R")

YIELDS = (
    0x20 | 0x200
)  # CO_GENERATOR and CO_ASYNC_GENERATOR of `inspect`, which takes long to import


class SlurmTask(Generic[P, R]):
    """A function that runs as a Slurm job. Made by `task` and `workflow`, immutable.

    Calling it inside ``with cluster:`` or inside a workflow submits a job and returns its `Job`.
    A `Job` among the arguments, however deep, becomes a dependency and arrives as its result.

    >>> from slurm import task
    >>> @task(time="00:30:00")
    ... def double(number: int) -> int:
    ...     return 2 * number
    >>> double.options
    {'time': '00:30:00'}
    """

    def __init__(
        self,
        function: Callable[P, R],
        *,
        options: Mapping[str, Any] | None = None,
        packaging: PackagingConfig = None,
        is_workflow: bool = False,
    ) -> None:
        given: object = function
        if not callable(given):
            raise _no_function(given, "workflow" if is_workflow else "task")
        _refuse_generator(function)
        functools.update_wrapper(self, function)
        self._function = function
        self.own_options: Options = normalise(options or {})
        self.packaging: PackagingConfig = own_copy(packaging)
        self._is_workflow = is_workflow
        self._pending_dependencies: list[Dependency] = []

    @property
    def name(self) -> str:
        """The task's name: the function's, which also names its jobs and directories.

        >>> double.name
        'double'
        """
        return getattr(self._function, "__name__", "task")

    @property
    def options(self) -> Mapping[str, str | None]:
        """Its sbatch options by their long names; None for one that is to be left out of its job scripts.

        >>> double.with_options(mem=None).options["mem"] is None
        True
        """
        return overlay(WORKFLOW_OPTIONS if self._is_workflow else {}, self.own_options)

    @property
    def is_workflow(self) -> bool:
        """Whether its jobs submit jobs.

        >>> double.is_workflow
        False
        """
        return self._is_workflow

    @property
    def waits_for(self) -> tuple[Dependency, ...]:
        """What its calls wait for beside the jobs among their arguments: what `after` and its like were given.

        >>> [dependency.type for dependency in double.after(job).afterany(array).waits_for]
        ['afterok', 'afterany']
        """
        return tuple(self._pending_dependencies)

    @property
    def _qualname(self) -> str:
        return getattr(self._function, "__qualname__", self.name)

    @property
    def unwrapped(self) -> Callable[..., R]:
        """The function itself, to call without any cluster, with a context of yours if it takes one.

        >>> double.unwrapped(21)
        42
        """
        return self._function

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Submit a job that calls the function.

        Raises `NoActiveContext` where no cluster is active, ``TypeError`` for arguments that do not fit the
        function, `SubmissionError` when they cannot travel or the scheduler refuses the job.

        >>> double(21)
        Traceback (most recent call last):
        slurm.errors.NoActiveContext: double() was called outside a cluster's context. Call it inside ...
        """
        from slurm.submit.calls import call_of  # late: on the node most tasks call no other

        with UsersFrames(TypeError):
            job: Job[R] = self._submitter("()").submit(call_of(self, args, kwargs))
        return job

    def _submitter(self, call: str) -> Any:
        submitter = submitter_here()
        if submitter is None and "SLURM_SDK_TOKEN" in os.environ:
            raise NoActiveContext(
                f"{self.name}{call} was called inside a job of a @task, which submits nothing: make the calling "
                f"function a @workflow, or run the plain function there with {self.name}.unwrapped(...)"
            )
        if submitter is None:
            raise NoActiveContext(
                f"{self.name}{call} was called outside a cluster's context. Call it "
                f"inside 'with Cluster(...) as cluster:' or a workflow, name the cluster with "
                f"{self.name}.submit(cluster=...)(...), or run the plain function with "
                f"{self.name}.unwrapped(...)"
            )
        return submitter

    @UsersFrames(TypeError)
    def after(self, *jobs: Job[Any] | ArrayJob[Any]) -> SlurmTask[P, R]:
        """This task, to start only when `jobs` have completed successfully (``afterok``).

        An array stands for all its elements. Raises ``TypeError`` for what is no job.

        >>> with cluster:
        ...     first = double(1)
        ...     second = double.after(first)(2)
        >>> second.dependencies == (first,)
        True
        """
        return self._after("after", "afterok", jobs)

    @UsersFrames(TypeError)
    def afterany(self, *jobs: Job[Any] | ArrayJob[Any]) -> SlurmTask[P, R]:
        """This task, to start when `jobs` have ended, in whatever way. Raises ``TypeError``.

        >>> with cluster:
        ...     first = double(1)
        ...     tidy_up = double.afterany(first)(2)
        >>> tidy_up.get_result()
        4
        """
        return self._after("afterany", "afterany", jobs)

    @UsersFrames(TypeError)
    def afternotok(self, *jobs: Job[Any] | ArrayJob[Any]) -> SlurmTask[P, R]:
        """This task, to start only when `jobs` have failed. Raises ``TypeError``.

        >>> request = cluster.dry_run(double.afternotok(job), 2)
        >>> request.submit_options["dependency"] == f"afternotok:{job.id}"
        True
        """
        return self._after("afternotok", "afternotok", jobs)

    @UsersFrames(TypeError)
    def aftercorr(self, *arrays: ArrayJob[Any]) -> SlurmTask[P, R]:
        """This task, to be mapped: each element starts when its counterpart in `arrays` has completed.

        The arrays must have as many items as this one will have, and the same `pack`. Raises
        ``TypeError``.

        >>> with cluster:
        ...     doubled = double.map([1, 2], pack=2)
        ...     again = double.aftercorr(doubled).map(doubled, pack=2)
        >>> again.get_results()
        [4, 8]
        """
        return self._after("aftercorr", "aftercorr", arrays)

    def _after(
        self, method: str, kind: str, jobs: Sequence[Job[Any] | ArrayJob[Any]]
    ) -> SlurmTask[P, R]:
        from slurm.tracking.upstream import Dependency, check_upstream

        check_upstream(f"{self.name}.{method}", jobs)
        derived = self._copy()
        derived._pending_dependencies += [Dependency(job, kind) for job in jobs]
        return derived

    def map(
        self,
        items: Iterable[Any],
        max_concurrent: int | None = None,
        *,
        pack: int = 1,
        item_dirs: bool = False,
    ) -> ArrayJob[R]:
        """One array of jobs, a call for each of `items`: a single submission, however many.

        A tuple's members are positional arguments, a dict's are keywords, anything else is the first
        argument. At most `max_concurrent` of the array's jobs run at once. With `pack`, one job
        runs so many items, one after the other: for items that take seconds, or much less. Give each item what is
        its own, and a path to what all share: items are pickled one by one.

        The items of a pack run in the array's directory, or in one of their own where the function takes a `JobContext`. With
        `item_dirs` each has one and leaves its files there, as the items of an array without `pack` do.

        For no items nothing is submitted, and there are no results. Raises `NoActiveContext` where no cluster is active,
        `ConfigError` for what is no list of items, ``TypeError`` naming the item that does not fit the function. See `ArrayJob` for when it is submitted.

        >>> with cluster:
        ...     array = double.map([1, (2,), {"number": 3}], pack=3)
        >>> array.get_results()
        [2, 4, 6]
        """
        from slurm.submit.calls import array_call_of

        with UsersFrames(TypeError):
            submitter = self._submitter(".map()")
            array: ArrayJob[R] = submitter.map(
                array_call_of(self, items, max_concurrent, pack, item_dirs)
            )
        return array

    def with_options(self, **sbatch_options: Any) -> SlurmTask[P, R]:
        """This task with other sbatch options; those not named stay. Raises `ConfigError`.

        None leaves an option out of the job script, whatever the task, the site or the SDK has for it.

        >>> double.with_options(mem="2G", time=5).options
        {'mem': '2G', 'time': '5'}
        """
        derived = self._copy()
        with UsersFrames():
            derived.own_options = overlay(self.own_options, normalise(sbatch_options))
        return derived

    @UsersFrames()
    def submit(
        self,
        cluster: Cluster | WorkflowContext | None = None,
        *,
        key: str | None = None,
        **sbatch_options: Any,
    ) -> Callable[P, Job[R]]:
        """A submitter for an explicit `cluster` (default: the active one): ``task.submit(cluster=c)(args)``.

        With a `key`, the submission is made at most once on this cluster's ``job_base_dir``: a
        second one with the same key, from this process or a later one, returns the job that the
        first one made, whatever its arguments. This is how a pipeline that was killed finds its
        jobs again. Where the options differ, the job keeps those it has, and a warning is logged.

        Raises `NoActiveContext` where no cluster is named or active, `ConfigError` for an empty key, one
        that stands for a job of another task, or a wrong option.

        >>> job = double.submit(cluster, key="the double of 21", mem="2G")(21)
        >>> double.submit(cluster, key="the double of 21")(21).id == job.id
        True
        """
        context = cluster if cluster is not None else get_active_context()
        if context is None:
            raise NoActiveContext(
                f"{self.name}.submit() needs a cluster: pass cluster=..., or call it inside "
                "'with Cluster(...) as cluster:'"
            )
        if not hasattr(context, "submitter"):
            raise ConfigError(
                f"{self.name}.submit() takes a cluster, not {context!r}; arguments come in brackets of their own: "
                f"{self.name}.submit(cluster)(...)"
            )
        task = self.with_options(**sbatch_options) if sbatch_options else self

        def submitter(*args: Any, **kwargs: Any) -> Job[R]:
            from slurm.submit.calls import call_of

            # A batch that is open by then collects the call, wherever the submitter was made.
            with UsersFrames(TypeError):
                job: Job[R] = submitter_for(context).submit(call_of(task, args, kwargs, key))
            return job

        return submitter

    def _copy(self) -> SlurmTask[P, R]:
        derived: SlurmTask[P, R] = SlurmTask(
            self._function, packaging=self.packaging, is_workflow=self._is_workflow
        )
        derived.own_options = self.own_options
        derived._pending_dependencies = list(self._pending_dependencies)
        return derived

    def __copy__(self) -> SlurmTask[P, R]:
        return self

    def __deepcopy__(self, memo: Any) -> SlurmTask[P, R]:
        return self

    def __reduce__(self) -> Any:
        if self._pending_dependencies:
            raise TypeError(f"{self.name}.after(...) cannot be an argument; call after() there")
        from slurm.packaging.function_reference import named

        reference = named(self._function)
        settings = (dict(self.own_options), self.packaging, self._is_workflow)
        if (
            reference is None
        ):  # whoever pickles the task pickles its function, which may name the task
            return _rebuilt_task, (self._function, *settings)
        return _named_task, (reference.module, reference.qualname, *settings)

    def __repr__(self) -> str:
        return f"<{'workflow' if self._is_workflow else 'task'} {self.__module__}.{self._qualname}>"


def _no_function(given: object, kind: str) -> ConfigError:
    """The error for a decorator that was given something else than a function."""
    if hasattr(
        type(given), "__get__"
    ):  # what becomes a method or an attribute, once its class is there
        other = type(given).__name__
        return ConfigError(
            f"@{kind} stands before a function, not a {other}: put @{other} above @{kind}"
        )
    return ConfigError(
        f"@{kind} stands before a function, not {given!r}: give options by name, as in @{kind}(time='00:10:00')"
    )


def _refuse_generator(function: Callable[..., Any]) -> None:
    """Raises `ConfigError` for a function with ``yield``: what it returns is no value, and cannot travel."""
    called: Any = function
    while isinstance(called, functools.partial):
        called = called.func
    if not hasattr(called, "__code__") and not hasattr(called, "__func__"):
        called = getattr(type(called), "__call__", called)  # noqa: B004 - of an object of a class with __call__
    code = getattr(getattr(called, "__func__", called), "__code__", None)
    if code is not None and code.co_flags & YIELDS:
        name = getattr(called, "__name__", type(called).__name__)
        raise ConfigError(
            f"{name} is a generator function, and a job returns once: collect what it yields, and return a list"
        )


def _named_task(module: str, qualname: str, *settings: Any) -> SlurmTask[Any, Any]:
    from slurm.job_dir.main_module import find  # late: for tasks that were pickled

    found = find(module, qualname)
    return _rebuilt_task(getattr(found, "unwrapped", found), *settings)


def _rebuilt_task(
    function: Callable[..., Any],
    options: Mapping[str, str | None],
    packaging: PackagingConfig,
    is_workflow: bool,
) -> SlurmTask[Any, Any]:
    return SlurmTask(function, options=options, packaging=packaging, is_workflow=is_workflow)


__all__ = ["DEFAULT_OPTIONS", "JobResultPlaceholder", "SlurmTask"]
