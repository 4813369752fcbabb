"""Code that was removed on the cluster while this process believed it there: it is sent once more, and asked for again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from slurm.api.requests import Submitted
from slurm.errors import ConfigError, PackagingError

if TYPE_CHECKING:
    from slurm.submit.draft import PreparedCall

Answers = list[Submitted]


def with_code(
    calls: Sequence[PreparedCall], ask: Callable[[Sequence[int]], list[Answers]]
) -> list[Answers]:
    """The answers to the requests of each call; of those whose code is gone, what is answered when it is there again.

    `ask` submits the calls of these numbers. It is asked once more at most, and for what was not submitted alone. Raises what
    it raises.
    """
    answers = ask(range(len(calls)))
    left = []
    brought: set[str] = set()
    for number, call in enumerate(calls):
        gone = _gone_of(answers[number])
        if not gone:
            continue
        try:
            if set(gone) - brought:
                brought.update(_bring_again(call, gone))
        except (PackagingError, ConfigError) as error:
            answers[number] = [Submitted(error=error)] * len(answers[number])
        else:
            left.append(number)
    if left:
        for number, again in zip(left, ask(left)):
            answers[number] = again
    return answers


def _gone_of(answers: Answers) -> Sequence[str]:
    """What a call needs that is gone; nothing where some of it was submitted."""
    errors = [answer.error for answer in answers]
    if all(isinstance(error, PackagingError) and error.gone for error in errors):
        return [path for error in errors for path in getattr(error, "gone", ())]
    return ()


def _bring_again(call: PreparedCall, gone: Sequence[str]) -> Sequence[str]:
    """What the call's packaging has brought there again. Raises `PackagingError` where the same cannot be had."""
    there = call.packaging.prepare_again(gone).needed
    lost = sorted(set(gone).difference(there))
    if lost:
        raise PackagingError(
            f"{lost[0]} is not there any more, and what it was made of has changed since the call: call it again"
        )
    return there
