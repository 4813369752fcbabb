"""The end of a timeout, and how long ago something was."""

from __future__ import annotations

import math
import time


class Deadline:
    """The end of the `timeout` seconds that begin now; with None, or infinitely many, there is no end.

    >>> Deadline(None).left() is None, Deadline(float("inf")).left() is None, Deadline(0.0).left()
    (True, True, 0.0)
    """

    def __init__(self, timeout: float | None) -> None:
        self._at = None if timeout is None or timeout == math.inf else time.monotonic() + timeout

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
