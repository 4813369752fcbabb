"""The end of a timeout."""

from __future__ import annotations

import time


class Deadline:
    """The end of the `timeout` seconds that begin now; with None there is no end.

    >>> Deadline(None).left() is None, Deadline(0.0).left()
    (True, 0.0)
    """

    def __init__(self, timeout: float | None) -> None:
        self._at = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        """Seconds from now on, not below zero; None without an end."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())
