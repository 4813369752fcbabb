"""Python functions as Slurm jobs.

The way of one submission::

    train(prep_job, lr=0.1)        task: a TaskCall, for whoever takes calls here
      -> Submitter.submit          submit.submitter, of the active Cluster or WorkflowContext
      -> Drafter.call              submit.draft: all that has an effect; code is packaged, arguments are pickled
      -> prepare                   submit.prepare, pure: a Draft becomes an api.requests.JobRequest
      -> BackendBase.submit_jobs   api.local, api.slurm_cli or api.ssh: one round trip to an agent
      -> JobRecord                 tracking.record, watched by the cluster's tracker; a Job wraps one
    node: job.sh -> runner -> payload -> call -> result envelope, renamed into place, and an event
      -> Tracker                   tracking.tracker sees the event, or what the scheduler says: JobRecord.observe
      -> Outcomes.of               results.outcome reads the result -> Job.get_result()

The files here are what users import, and what every room needs: `errors`, `states` (Slurm's job states, and when a job
is lost), `usage` (what a job asked for and used; durations and sizes as text), `rendering` (the job script), `context`
(the active cluster), `forks` (what a forked process must have for itself). The rest is in rooms (packages), each of which says what belongs there; imports point downwards,
from ``cli`` to ``forks``, in the order that ``pyproject.toml`` has under ``tool.importlinter``.

Public names are loaded on first use, so that ``import slurm`` costs next to nothing.
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

from slurm._version import __version__

if TYPE_CHECKING:
    from slurm.array_job import ArrayJob
    from slurm.callbacks.base import BaseCallback
    from slurm.callbacks.benchmark import BenchmarkCallback
    from slurm.callbacks.logger import LoggerCallback
    from slurm.callbacks.rich_logger import RichLoggerCallback
    from slurm.cluster import Cluster
    from slurm.context import get_active_context, reset_active_context, set_active_context
    from slurm.decorators import task, workflow
    from slurm.futures import as_completed, gather
    from slurm.job import Job
    from slurm.job_tree import JobNode, JobTree
    from slurm.runtime import JobContext, current_job_context
    from slurm.states import JobState
    from slurm.task import SlurmTask
    from slurm.workflow import WorkflowContext

_HOME_OF = {
    "ArrayJob": "slurm.array_job",
    "BaseCallback": "slurm.callbacks.base",
    "BenchmarkCallback": "slurm.callbacks.benchmark",
    "Cluster": "slurm.cluster",
    "Job": "slurm.job",
    "JobContext": "slurm.runtime",
    "JobNode": "slurm.job_tree",
    "JobState": "slurm.states",
    "JobTree": "slurm.job_tree",
    "LoggerCallback": "slurm.callbacks.logger",
    "RichLoggerCallback": "slurm.callbacks.rich_logger",
    "SlurmTask": "slurm.task",
    "WorkflowContext": "slurm.workflow",
    "as_completed": "slurm.futures",
    "current_job_context": "slurm.runtime",
    "gather": "slurm.futures",
    "get_active_context": "slurm.context",
    "reset_active_context": "slurm.context",
    "set_active_context": "slurm.context",
    "task": "slurm.decorators",
    "workflow": "slurm.decorators",
}

__all__ = [
    "ArrayJob",
    "BaseCallback",
    "BenchmarkCallback",
    "Cluster",
    "Job",
    "JobContext",
    "JobNode",
    "JobState",
    "JobTree",
    "LoggerCallback",
    "RichLoggerCallback",
    "SlurmTask",
    "WorkflowContext",
    "__version__",
    "as_completed",
    "current_job_context",
    "gather",
    "get_active_context",
    "reset_active_context",
    "set_active_context",
    "task",
    "workflow",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'slurm' has no attribute {name!r}")
    __import__(
        _HOME_OF[name]
    )  # no importlib, which takes longer to load than most of our own files
    value = getattr(sys.modules[_HOME_OF[name]], name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))


class _Package(types.ModuleType):
    """Keeps ``slurm.task`` and ``slurm.workflow`` the decorators.

    They are submodules as well, and Python binds a submodule to its name on the package whenever
    it is first imported, from wherever.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("task", "workflow") and isinstance(value, types.ModuleType):
            return
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
