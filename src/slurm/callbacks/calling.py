"""Calling a hook: whatever comes of it, the job goes on."""

from __future__ import annotations

import logging

from slurm.callbacks.base import BaseCallback
from slurm.callbacks.contexts import CallbackContext

logger: logging.Logger = logging.getLogger(__name__)


def name_of(callback: BaseCallback) -> str:
    """How messages name a callback."""
    return type(callback).__qualname__


def call_hook(callback: BaseCallback, hook: str, context: CallbackContext) -> None:
    """Call one hook. What it raises is logged and goes no further."""
    try:
        getattr(callback, hook)(context)
    except (Exception, SystemExit):  # the user's own; jobs go on whatever it does
        job = f"job {context.job_id}" if context.job_id else "a job"
        logger.exception(
            "%s.%s failed for %s of %s", name_of(callback), hook, job, context.task_name
        )


def close(callback: BaseCallback) -> None:
    """Tell a callback that nothing more comes."""
    try:
        callback.close()
    except (Exception, SystemExit):  # as above
        logger.exception("%s.close failed", name_of(callback))
