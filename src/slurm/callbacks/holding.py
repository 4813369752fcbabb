"""Submissions that wait for callbacks: `HoldsSubmission`, called in the thread that submits."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from slurm.callbacks.base import HoldsSubmission
from slurm.callbacks.contexts import SubmitBeginContext, SubmitEndContext
from slurm.callbacks.hooks import call_hook, name_of
from slurm.config.named_classes import in_a_line
from slurm.errors import SlurmError, SubmissionError

AFTER = "after_submission"


@contextlib.contextmanager
def held(
    callbacks: Iterable[HoldsSubmission],
    begin: SubmitBeginContext,
    ended: Callable[[dict[str, Any]], SubmitEndContext],
) -> Iterator[None]:
    """Around a submission: each callback is asked before it, and told after it. Raises `SubmissionError` for a refusal."""
    with contextlib.ExitStack() as asked:
        for callback in callbacks:
            asked.enter_context(_held_by(callback, begin, ended))
        yield


@contextlib.contextmanager
def _held_by(
    callback: HoldsSubmission,
    begin: SubmitBeginContext,
    ended: Callable[[dict[str, Any]], SubmitEndContext],
) -> Iterator[None]:
    started = time.monotonic()
    error: BaseException | None = None
    _ask(callback, begin)
    try:
        yield
    except BaseException as failure:
        error = failure
        raise
    finally:
        took = time.monotonic() - started
        call_hook(callback, AFTER, ended({"duration": took, "error": error}))


def _ask(callback: HoldsSubmission, begin: SubmitBeginContext) -> None:
    try:
        callback.before_submission(begin)
    except (Exception, SystemExit) as error:  # the user's own
        why = str(error) if isinstance(error, SlurmError) else in_a_line(error)
        raise SubmissionError(
            f"{begin.task_name} was not submitted, for {name_of(callback)} does not let it pass: {why}"
        ) from error
