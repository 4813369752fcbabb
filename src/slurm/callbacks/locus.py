"""Where a hook is called: in the process that submits, in the job, or in both."""

from __future__ import annotations

import enum


class ExecutionLocus(str, enum.Enum):
    """In which processes a callback is called.

    - ``CLIENT``: in the process that made the cluster. The callback stays there.
    - ``RUNNER``: in the jobs, on their nodes. The callback travels with them.
    - ``BOTH``: in either. A workflow, which submits jobs itself, is both at once.

    >>> ExecutionLocus("both") is ExecutionLocus.BOTH
    True
    """

    CLIENT = "client"
    RUNNER = "runner"
    BOTH = "both"

    def __str__(self) -> str:
        return self.value


CLIENT_HOOKS = (
    "on_begin_package_ctx",
    "on_end_package_ctx",
    "on_begin_submit_job_ctx",
    "on_end_submit_job_ctx",
    "on_job_status_update_ctx",
    "on_transfer_ctx",
    "on_completed_ctx",
)
RUNNER_HOOKS = ("on_begin_run_job_ctx", "on_end_run_job_ctx", "on_completed_ctx")
