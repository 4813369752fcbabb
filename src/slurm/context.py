"""Which cluster a task call submits to."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from slurm.array_job import ArrayJob
    from slurm.calls import ArrayCall, TaskCall
    from slurm.job import Job


class SubmissionContext(Protocol):
    """What can be active: a `Cluster` or a `WorkflowContext`."""

    def submit_call(self, call: TaskCall) -> Job[Any]:
        """Submit one call of a task."""

    def map_call(self, call: ArrayCall) -> ArrayJob[Any]:
        """The array of a mapped task, to be submitted on first use."""


_active: contextvars.ContextVar[SubmissionContext | None] = contextvars.ContextVar(
    "slurm_active_context", default=None
)


def get_active_context() -> SubmissionContext | None:
    """The innermost active `Cluster` or `WorkflowContext`, None outside of all."""
    return _active.get()


def set_active_context(
    context: SubmissionContext,
) -> contextvars.Token[SubmissionContext | None]:
    """Make `context` the active one; the token restores what was before."""
    return _active.set(context)


def reset_active_context(token: contextvars.Token[SubmissionContext | None]) -> None:
    """Restore the context that was active when `token` was made."""
    _active.reset(token)


_loading: contextvars.ContextVar[bool] = contextvars.ContextVar("slurm_loading", default=False)


def is_loading_script() -> bool:
    """Whether a user's script is being imported on the node, where its main part must not run."""
    return _loading.get()


def set_loading_script(loading: bool) -> None:
    """Say that a user's script is being imported; the runner does."""
    _loading.set(loading)
