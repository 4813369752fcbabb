"""What happened, in one line of text."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Any

from slurm.callbacks import contexts
from slurm.callbacks.contexts import CallbackContext
from slurm.config.named_classes import in_a_line
from slurm.usage import format_duration

LONGEST_ERROR = 200


def line_of(context: CallbackContext) -> str:
    """One line for what a hook was told.

    >>> line_of(contexts.SubmitEndContext(task_name="train", job_id="7", duration=0.031))
    'train 7: submitted in 0.03 s'
    >>> from slurm import JobState
    >>> line_of(contexts.CompletedContext("train", "7", state=JobState.TIMEOUT))
    'train 7: TIMEOUT'
    """
    who = f"{context.task_name} {context.job_id}".strip()
    return f"{who}: {_WORDS_OF[type(context)](context)}"


def is_failure(context: CallbackContext) -> bool:
    """Whether it says that something failed."""
    if isinstance(context, contexts.CompletedContext):
        return not context.successful
    return getattr(context, "error", None) is not None


def error_line(error: BaseException | None) -> str:
    """An exception's type and the beginning of its message, in one line; nothing for None.

    >>> error_line(ValueError("bad\\nvalue"))
    'ValueError: bad'
    """
    if error is None:
        return ""
    text = in_a_line(error)
    return text if len(text) <= LONGEST_ERROR else text[: LONGEST_ERROR - 3] + "..."


def duration_or_dash(seconds: float | None) -> str:
    """A duration as people read it, a dash where there is none.

    >>> duration_or_dash(12.3), duration_or_dash(None)
    ('12.3 s', '-')
    """
    return "-" if seconds is None else format_duration(seconds, "clock")


def _ended(done: str, failed: str) -> Callable[[Any], str]:
    def words(context: Any) -> str:
        how = f"{done} in {duration_or_dash(context.duration)}"
        return how if context.error is None else f"{failed}: {error_line(context.error)}"

    return words


def _submitting(context: contexts.SubmitBeginContext) -> str:
    number = "" if context.array_size is None else f" an array of {context.array_size}"
    after = f", after {', '.join(context.dependencies)}" if context.dependencies else ""
    return f"submitting{number}{after}"


def _submitted(context: contexts.SubmitEndContext) -> str:
    if context.reattached:
        return "found again, submitted earlier"
    return _ended("submitted", "not submitted")(context)


def _running(context: contexts.RunBeginContext) -> str:
    again = f", attempt {context.attempt}" if context.attempt > 1 else ""
    return f"running{_on(context.node)}{again}"


def _ran(context: contexts.RunEndContext) -> str:
    if context.requeued:
        return f"goes back into the queue after {duration_or_dash(context.duration)}"
    return _ended("ran", "raised")(context)


def _status(context: contexts.JobStatusUpdatedContext) -> str:
    reason = f" ({context.reason})" if context.reason not in ("", "None") else ""
    before = f"{context.previous_state} -> " if context.changed else "still "
    return f"{before}{context.state}{reason}{_on(context.node)}"


def _completed(context: contexts.CompletedContext) -> str:
    took = "" if context.duration is None else f" after {duration_or_dash(context.duration)}"
    error = f": {error_line(context.error)}" if context.error is not None else ""
    return f"{context.state}{took}{_on(context.node)}{error}"


def _transfer(context: contexts.TransferContext) -> str:
    from slurm.usage import format_size

    done, doing = ("sent", "sending") if context.direction == "upload" else ("fetched", "fetching")
    size, name = format_size(context.total), posixpath.basename(context.path)
    if context.error is not None:
        return f"{name} was not {done}: {error_line(context.error)}"
    if context.finished:
        return f"{done} {name}, {size} in {duration_or_dash(context.duration)}"
    return f"{doing} {name}, {100 * context.done // context.total} % of {size}"


def _on(node: str) -> str:
    return f" on {node}" if node else ""


_WORDS_OF: dict[type[CallbackContext], Callable[[Any], str]] = {
    contexts.PackagingBeginContext: lambda context: f"packaging ({context.packaging})",
    contexts.PackagingEndContext: _ended("packaged", "not packaged"),
    contexts.SubmitBeginContext: _submitting,
    contexts.SubmitEndContext: _submitted,
    contexts.RunBeginContext: _running,
    contexts.RunEndContext: _ran,
    contexts.JobStatusUpdatedContext: _status,
    contexts.TransferContext: _transfer,
    contexts.CompletedContext: _completed,
}
