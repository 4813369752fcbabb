"""A decorated function: called inside a cluster's context, it submits itself and returns a future."""

from __future__ import annotations

import functools
import hashlib
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from slurm.context import get_active_context
from slurm.errors import ConfigError, NoActiveContext
from slurm.identity import refer_to
from slurm.options import normalise, overlay
from slurm.runtime import CallBinder
from slurm.serialization import MAIN_ALIAS, JobResultPlaceholder

if TYPE_CHECKING:
    from typing import ParamSpec

    from slurm.cluster import Cluster
    from slurm.job import Job
    from slurm.packaging import PackagingConfig
    from slurm.workflow import WorkflowContext

    P = ParamSpec("P")
else:
    P = TypeVar("P")  # Python 3.9 has no ParamSpec, and at run time nothing looks at it

R = TypeVar("R")

DEFAULT_OPTIONS: Mapping[str, Any] = {
    "nodes": 1,
    "ntasks": 1,
    "mem": "1G",
    "time": "00:10:00",
}


@dataclass(frozen=True)
class TaskCall:
    """One call of a task, ready to be submitted: plain data plus the task itself."""

    task: SlurmTask[Any, Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    after: tuple[Job[Any], ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    token: str = field(default_factory=lambda: os.urandom(16).hex())


class SlurmTask(Generic[P, R]):
    """A function that runs as a Slurm job. Made by `task` and `workflow`, immutable.

    Calling it inside ``with cluster:`` or inside a workflow submits a job and returns its `Job`.
    A `Job` among the arguments, however deep, becomes a dependency and arrives as its result.
    """

    def __init__(
        self,
        function: Callable[P, R],
        *,
        options: Mapping[str, Any] | None = None,
        packaging: PackagingConfig = None,
        is_workflow: bool = False,
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self.options: Mapping[str, str] = normalise(options or {})
        self.packaging = packaging
        self._is_workflow = is_workflow
        self._pending_dependencies: list[Job[Any]] = []

    @property
    def name(self) -> str:
        """The task's name: the function's, which also names its jobs and directories."""
        return getattr(self._function, "__name__", "task")

    @property
    def _qualname(self) -> str:
        return getattr(self._function, "__qualname__", self.name)

    @property
    def unwrapped(self) -> Callable[P, R]:
        """The function itself, to call without any cluster."""
        return self._function

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Submit a job that calls the function. Raises `NoActiveContext` where no cluster is active."""
        context = get_active_context()
        if context is None:
            raise NoActiveContext(
                f"{self.name}() was called outside a cluster's context. Call it inside "
                f"'with Cluster(...) as cluster:' or a workflow, name the cluster with "
                f"{self.name}.submit(cluster=...)(...), or run the plain function with "
                f"{self.name}.unwrapped(...)"
            )
        return context.submit_call(self._call(args, kwargs))

    def after(self, *jobs: Job[Any]) -> SlurmTask[P, R]:
        """This task, to start only when `jobs` have completed successfully. Raises ``TypeError``."""
        from slurm.job import Job

        for job in jobs:
            if not isinstance(job, Job):
                raise TypeError(
                    f"{self.name}.after() takes jobs, one argument each, not {type(job).__name__}"
                )
        derived = self._copy()
        derived._pending_dependencies = [*self._pending_dependencies, *jobs]
        return derived

    def with_options(self, **sbatch_options: Any) -> SlurmTask[P, R]:
        """This task with other sbatch options; those not named stay. Raises `ConfigError`."""
        derived = self._copy()
        derived.options = overlay(self.options, normalise(sbatch_options))
        return derived

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
        jobs again.
        """
        context = cluster if cluster is not None else get_active_context()
        if context is None:
            raise NoActiveContext(
                f"{self.name}.submit() needs a cluster: pass cluster=..., or call it inside "
                "'with Cluster(...) as cluster:'"
            )
        task = self.with_options(**sbatch_options) if sbatch_options else self

        def submitter(*args: Any, **kwargs: Any) -> Job[R]:
            return context.submit_call(task._call(args, kwargs, key))

        return submitter

    def _call(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], key: str | None = None
    ) -> TaskCall:
        binder = CallBinder(self._function)
        try:
            binder.check(args, kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}() {error}") from None
        if not self._is_workflow and binder.needs_workflow():
            raise TypeError(
                f"{self.name}() takes a WorkflowContext: make it a @workflow, not a @task"
            )
        token = {} if key is None else {"token": token_of_key(key)}
        return TaskCall(
            self,
            tuple(args),
            dict(kwargs),
            tuple(self._pending_dependencies),
            self.options,
            **token,
        )

    def _copy(self) -> SlurmTask[P, R]:
        derived: SlurmTask[P, R] = SlurmTask(
            self._function, packaging=self.packaging, is_workflow=self._is_workflow
        )
        derived.options = self.options
        derived._pending_dependencies = list(self._pending_dependencies)
        return derived

    def __copy__(self) -> SlurmTask[P, R]:
        return self

    def __deepcopy__(self, memo: Any) -> SlurmTask[P, R]:
        return self

    def __reduce__(self) -> Any:
        if self._pending_dependencies:
            raise TypeError(f"{self.name}.after(...) cannot be an argument; call after() there")
        reference = refer_to(self._function)
        settings = (dict(self.options), self.packaging, self._is_workflow)
        if reference.kind == "value":
            return _rebuilt_task, (self._function, *settings)
        return _named_task, (reference.module, reference.qualname, *settings)

    def __repr__(self) -> str:
        return f"<{'workflow' if self._is_workflow else 'task'} {self.__module__}.{self._qualname}>"


def token_of_key(key: str) -> str:
    """The submission token that stands for a user's `key`."""
    if not key:
        raise ConfigError("key must not be empty: it names this submission for all time")
    return "k" + hashlib.sha256(key.encode()).hexdigest()[:31]


def _named_task(module: str, qualname: str, *settings: Any) -> SlurmTask[Any, Any]:
    if module == MAIN_ALIAS and MAIN_ALIAS not in sys.modules:
        module = "__main__"
    found: Any = importlib.import_module(module)
    for name in qualname.split("."):
        found = getattr(found, name)
    return _rebuilt_task(getattr(found, "unwrapped", found), *settings)


def _rebuilt_task(
    function: Callable[..., Any],
    options: Mapping[str, str],
    packaging: PackagingConfig,
    is_workflow: bool,
) -> SlurmTask[Any, Any]:
    return SlurmTask(function, options=options, packaging=packaging, is_workflow=is_workflow)


__all__ = ["JobResultPlaceholder", "SlurmTask", "TaskCall"]
