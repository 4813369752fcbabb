"""A line in the log for everything that happens."""

from __future__ import annotations

import contextlib
import logging
import sys

from slurm.callbacks.base import BaseCallback, ExecutionLocus
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
from slurm.callbacks.lines import is_failure, line_of


class LoggerCallback(BaseCallback):
    """Logs one line per hook (of a transfer, when it has ended), what failed as an error: on the client, and in each job's stderr.

    - `logger`: a logger or its name; `level`: of lines that report no failure.
    - `locus`: where, see `ExecutionLocus`; ``"client"`` keeps jobs' stderr free of it.
    - `poll_interval_secs`: log every live job's state every so many seconds as well.

    Where the program has not set up logging, which jobs have not either, lines go to stderr as they are.

    >>> callback = LoggerCallback(level=logging.DEBUG, poll_interval_secs=60)
    """

    def __init__(
        self,
        logger: logging.Logger | str = "slurm.callbacks",
        *,
        level: int = logging.INFO,
        locus: ExecutionLocus | str = "both",
        poll_interval_secs: float | None = None,
    ) -> None:
        self.logger: logging.Logger = (
            logging.getLogger(logger) if isinstance(logger, str) else logger
        )
        self.level = level
        self.locus: ExecutionLocus = ExecutionLocus(locus)
        self.poll_interval_secs = poll_interval_secs

    def on_begin_package_ctx(self, ctx: PackagingBeginContext) -> None:
        self._log(ctx)

    def on_end_package_ctx(self, ctx: PackagingEndContext) -> None:
        self._log(ctx)

    def on_begin_submit_job_ctx(self, ctx: SubmitBeginContext) -> None:
        self._log(ctx)

    def on_end_submit_job_ctx(self, ctx: SubmitEndContext) -> None:
        self._log(ctx)

    def on_begin_run_job_ctx(self, ctx: RunBeginContext) -> None:
        self._log(ctx)

    def on_end_run_job_ctx(self, ctx: RunEndContext) -> None:
        self._log(ctx)

    def on_job_status_update_ctx(self, ctx: JobStatusUpdatedContext) -> None:
        self._log(ctx)

    def on_transfer_ctx(self, ctx: TransferContext) -> None:
        if ctx.finished:
            self._log(ctx)

    def on_completed_ctx(self, ctx: CompletedContext) -> None:
        self._log(ctx)

    def _log(self, context: CallbackContext) -> None:
        level = max(logging.ERROR, self.level) if is_failure(context) else self.level
        line = line_of(context)
        if self.logger.hasHandlers():
            self.logger.log(level, "%s", line)
        else:
            with contextlib.suppress(OSError, ValueError, AttributeError):  # stderr may be closed
                sys.stderr.write(f"{context.timestamp.astimezone():%H:%M:%S} {line}\n")
