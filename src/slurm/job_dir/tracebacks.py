"""Tracebacks with the frames of users: those of the SDK are taken out of what people are shown.

An error of the SDK's own making keeps its frames: whoever reports it needs them.
"""

from __future__ import annotations

import functools
import os
import sys
import types
from collections.abc import Callable
from typing import Any, TypeVar, cast

from slurm.errors import RemoteTraceback, SlurmError

OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
EXAMPLES = os.path.join(OURS, "examples", "")  # programs as users write them
# What Python itself puts between whoever imports or runs a file, and the file.
MACHINERY = ("<frozen importlib", "<frozen runpy", "<frozen zipimport")
IMPORTLIB = os.path.join("importlib", "__init__.py")


F = TypeVar("F", bound=Callable[..., Any])


def is_ours(filename: str) -> bool:
    """Whether code of this file is the SDK's, or Python's way of loading a file."""
    if filename.startswith(MACHINERY) or filename.endswith(IMPORTLIB):
        return True
    return filename.startswith(OURS) and not filename.startswith(EXAMPLES)


def users_frames(trace: types.TracebackType | None) -> types.TracebackType | None:
    """The entries of `trace` that are not the SDK's; None where there are none."""
    kept = []
    while trace is not None:
        if not is_ours(trace.tb_frame.f_code.co_filename):
            kept.append(trace)
        trace = trace.tb_next
    made: types.TracebackType | None = None
    for one in reversed(kept):
        made = types.TracebackType(made, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return made


def is_meant_for_users(error: BaseException) -> bool:
    """Whether an error tells a user what is wrong, so that no frame of the SDK says more."""
    meant = isinstance(error, (SlurmError, TimeoutError, KeyboardInterrupt))
    return meant or isinstance(error.__cause__, RemoteTraceback)


class UsersFrames:
    """``with UsersFrames():`` in a public function: what is raised has the frames of its caller, and none of ours.

    ``@UsersFrames()`` before a function is the same for all of it; of a generator or a coroutine it is only the call.
    Of other errors than those that are meant for users, those of the types `more` are treated so as well.
    """

    def __init__(self, *more: type[BaseException]) -> None:
        self._more = more

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def door(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            with self:
                return function(*args, **kwargs)

        return cast(F, door)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        __tracebackhide__ = True  # pytest and IPython leave such a frame out
        if error is None or not (is_meant_for_users(error) or isinstance(error, self._more)):
            return
        error.__traceback__ = None if is_meant_for_users(error) else users_frames(trace)
        # From Python 3.11 on, the end of `with` goes on with that traceback and adds nothing to it; before, with the
        # one it had when the block was left.
        if sys.version_info < (3, 11):
            raise error
