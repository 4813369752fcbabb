"""The end of a timeout, and how long ago something was."""

from __future__ import annotations

import math
import threading
import time
from typing import Any


def seconds_of(timeout: object) -> float | None:
    """A `timeout` that a user has given, as seconds; None where it never ends, which is longer than a thread can wait.

    Raises ``TypeError`` for what is no number, ``ValueError`` for one that is below zero or none.

    >>> seconds_of(2), seconds_of(None), seconds_of(float("inf"))
    (2, None, None)
    """
    given: Any = timeout
    if given is None:
        return None
    is_number = hasattr(given, "__float__") or hasattr(given, "__index__")
    if isinstance(given, bool) or not is_number:
        raise TypeError(f"timeout is a number of seconds, or None for no end: not {given!r}")
    try:
        seconds = float(given)
    except OverflowError:
        seconds = math.inf if given > 0 else -math.inf
    if math.isnan(seconds) or seconds < 0:
        raise ValueError(
            f"timeout is a number of seconds from 0 on, or None for no end: not {given!r}"
        )
    if seconds > threading.TIMEOUT_MAX:
        return None
    return given if isinstance(given, (int, float)) else seconds


class Deadline:
    """The end of the `timeout` seconds that begin now; with None, or infinitely many, there is no end. Raises as `seconds_of`.

    >>> Deadline(None).left() is None, Deadline(float("inf")).left() is None, Deadline(0.0).left()
    (True, True, 0.0)
    """

    def __init__(self, timeout: float | None) -> None:
        seconds = seconds_of(timeout)
        self._at = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Seconds from now on, not below zero; None without an end."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())


class Moment:
    """This moment, and how many `seconds_ago` it was.

    Sleep of the machine counts, which stops the monotonic clock of Linux and macOS; and so does a clock that was set back.

    >>> Moment().seconds_ago < 60
    True
    """

    def __init__(self) -> None:
        self._clocks = (time.monotonic(), time.time())

    @property
    def seconds_ago(self) -> float:
        """The longer of what two clocks say."""
        monotonic, wall = self._clocks
        return max(time.monotonic() - monotonic, time.time() - wall)
