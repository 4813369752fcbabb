"""What a function is given beside its arguments: its own job, or a workflow's context."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any

from slurm import context
from slurm.agent.files import write_atomic
from slurm.errors import SchedulerUnreachable, SlurmError
from slurm.job_dir.paths import JobDirectory
from slurm.node.job_id import own_job_id
from slurm.node.stopping import say
from slurm.runner.returned import awaited, settled

if TYPE_CHECKING:
    from slurm.callbacks.base import BaseCallback
    from slurm.cluster import Cluster
    from slurm.node.binding import CallBinder
    from slurm.workflow import WorkflowContext


class Injection:
    """``with Injection(function, binder, children, directory) as i:`` makes the job's contexts, and ends them.

    `binder` binds the arguments of a function that takes contexts; None for another. `children` is the configuration of a
    workflow's cluster; empty for a plain task. That cluster inherits `callbacks`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        binder: CallBinder | None,
        children: Mapping[str, Any],
        directory: JobDirectory,
        callbacks: Sequence[BaseCallback] = (),
    ) -> None:
        self.function = function
        self.binder = binder
        self.children = children
        self.directory = directory
        self.callbacks = callbacks
        self._workflow: WorkflowContext | None = None
        self._token: Token[Any] | None = None

    def __enter__(self) -> Injection:
        if self.children:
            self._workflow = _workflow_context(self.children, self.directory, self.callbacks)
            self._token = context.set_active_context(self._workflow)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._token is not None:
            context.reset_active_context(self._token)
        if self._workflow is not None and self._workflow.cluster is not None:
            try:
                self._workflow.cluster.submit_waiting(failed=kind is not None)
            finally:
                self._workflow.cluster.close()

    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Call the function with a context for every parameter that is annotated as one."""
        if self.binder is None:
            return awaited(self.function(*args, **kwargs))
        contexts = {kind: self._context(kind) for kind in self.binder.injected.values()}
        bound = self.binder.bind(args, kwargs, contexts)
        return awaited(self.function(*bound.args, **bound.kwargs))

    def settle(self, value: Any) -> Any:
        """What the function has returned, with results in the place of jobs; these are waited for."""
        if self._workflow is not None and self._workflow.cluster is not None:
            self._workflow.cluster.submit_waiting()  # what else was mapped runs meanwhile
        return settled(getattr(self.function, "__name__", "the function"), value)

    def _context(self, kind: type) -> Any:
        from slurm.runtime import JobContext, current_job_context  # late: most functions take none

        return current_job_context() if kind is JobContext else self._workflow


def _workflow_context(
    children: Mapping[str, Any], directory: JobDirectory, callbacks: Sequence[BaseCallback]
) -> WorkflowContext:
    """The context of this workflow job, its environment written down for whoever looks later."""
    from slurm.workflow import WorkflowContext

    packaging = json.dumps(children.get("packaging"))
    write_atomic(directory.environment, json.dumps(dict(children), indent=2).encode())
    os.environ["SLURM_SDK_PACKAGING_CONFIG"] = packaging
    cluster, problem = None, ""
    try:
        cluster = _cluster(children, callbacks)
    except (SlurmError, OSError) as error:
        problem = str(error)
        say(f"slurm-tasks: this workflow cannot submit jobs: {problem}")
    made = WorkflowContext(
        cluster=cluster,
        workflow_job_id=own_job_id(os.environ) or "",
        workflow_job_dir=directory.path,
        local_mode=children.get("backend_type") == "local",
        cluster_error=problem,
    )
    if cluster is not None:
        # It is this workflow's alone, also where no context is seen, as in the thread of a callback.
        cluster.submitter = made.submitter
    return made


def _cluster(children: Mapping[str, Any], callbacks: Sequence[BaseCallback]) -> Cluster:
    """The cluster of a workflow's own jobs. Raises `SlurmError` where none can be submitted from."""
    import shutil

    from slurm.cluster import Cluster

    cluster = Cluster(**children, callbacks=_lent(callbacks))
    if cluster.backend_type == "slurm" and shutil.which("sbatch") is None:
        cluster.close()
        node = os.environ.get("SLURMD_NODENAME", "this node")
        raise SchedulerUnreachable(f"sbatch is not on the PATH of {node}")
    return cluster


def _lent(callbacks: Sequence[BaseCallback]) -> Sequence[BaseCallback]:
    if not callbacks:
        return ()
    from slurm.callbacks.hooks import LentCallbacks

    return LentCallbacks(callbacks)
