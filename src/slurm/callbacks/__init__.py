"""Who is told what happens to jobs: `BaseCallback` with its nine hooks, and four ready-made callbacks.

Hand instances to ``Cluster(callbacks=[...])`` or name classes in a Slurmfile. Names are loaded on
first use: without callbacks nothing of this is, and nothing here needs a third-party package but
`RichLoggerCallback`, which needs Rich.

It may import `slurm.tracking`, `slurm.packaging` and what is below them: the tracker, submission and results tell its listener what
happens, as plain facts and records. A `Job` is a type here, and comes from whoever made the listener.

- `base`: what a callback is; `contexts`: what its hooks are told; `hooks`: callbacks as given, made, checked, called;
- `client`: the listener; `worker`: the thread of one callback; `completion`, `transfer_progress`: what it adds;
- `holding`: submissions that wait for callbacks;
- `travel`, `node`: callbacks on their way to a job, and in it;
- `logger`, `rich_logger`, `benchmark`, `notify`: those there are, each with what it prints (columns and cells of the live table
  are `rich_logger`'s, which draws with `rich_parts`);
- `lines`: one event as a line of text; `job_table`: what is counted for the live table; `timing`: where time went.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slurm.callbacks.base import (
        BaseCallback,
        ExecutionLocus,
        HearsOfReasons,
        HearsOfResults,
        HoldsSubmission,
    )
    from slurm.callbacks.benchmark import BenchmarkCallback
    from slurm.callbacks.contexts import (
        CallbackContext,
        CompletedContext,
        JobStatusUpdatedContext,
        PackagingBeginContext,
        PackagingEndContext,
        RunBeginContext,
        RunEndContext,
        SubmitBeginContext,
        SubmitEndContext,
        TransferContext,
    )
    from slurm.callbacks.logger import LoggerCallback
    from slurm.callbacks.notify import NotifyCallback
    from slurm.callbacks.rich_logger import RichLoggerCallback

_HOME_OF = {
    "BaseCallback": "slurm.callbacks.base",
    "BenchmarkCallback": "slurm.callbacks.benchmark",
    "CallbackContext": "slurm.callbacks.contexts",
    "CompletedContext": "slurm.callbacks.contexts",
    "ExecutionLocus": "slurm.callbacks.base",
    "HearsOfReasons": "slurm.callbacks.base",
    "HearsOfResults": "slurm.callbacks.base",
    "HoldsSubmission": "slurm.callbacks.base",
    "JobStatusUpdatedContext": "slurm.callbacks.contexts",
    "LoggerCallback": "slurm.callbacks.logger",
    "NotifyCallback": "slurm.callbacks.notify",
    "PackagingBeginContext": "slurm.callbacks.contexts",
    "PackagingEndContext": "slurm.callbacks.contexts",
    "RichLoggerCallback": "slurm.callbacks.rich_logger",
    "RunBeginContext": "slurm.callbacks.contexts",
    "RunEndContext": "slurm.callbacks.contexts",
    "SubmitBeginContext": "slurm.callbacks.contexts",
    "SubmitEndContext": "slurm.callbacks.contexts",
    "TransferContext": "slurm.callbacks.contexts",
}

__all__ = [
    "BaseCallback",
    "BenchmarkCallback",
    "CallbackContext",
    "CompletedContext",
    "ExecutionLocus",
    "HearsOfReasons",
    "HearsOfResults",
    "HoldsSubmission",
    "JobStatusUpdatedContext",
    "LoggerCallback",
    "NotifyCallback",
    "PackagingBeginContext",
    "PackagingEndContext",
    "RichLoggerCallback",
    "RunBeginContext",
    "RunEndContext",
    "SubmitBeginContext",
    "SubmitEndContext",
    "TransferContext",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'slurm.callbacks' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
