"""How far large files are on their way: told when they set out, now and then, and when they are there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from slurm.errors import RemoteFileError

EVERY = 0.25  # seconds


class TransferProgress:
    """Takes every step of some files, and passes few of them on.

    `tell` is called with the `path` and what else `TransferContext` has of a file by itself.

    >>> progress = TransferProgress(lambda path, **how: print(path, how["done"]), clock=lambda: 0.0)
    >>> for done in (1, 2, 3):
    ...     progress.step("/jobs/7/result.pkl", done, 3)
    /jobs/7/result.pkl 1
    /jobs/7/result.pkl 3
    """

    def __init__(
        self, tell: Callable[..., object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._began: dict[str, float] = {}
        self._told: dict[str, tuple[float, int, int]] = {}

    def step(self, path: str, done: int, total: int) -> None:
        """So much of a file has arrived."""
        now = self._clock()
        before, _, _ = self._told.get(path, (float("-inf"), 0, 0))
        if done < total and now - before < EVERY:
            return
        began = self._began.setdefault(path, now)
        self._told[path] = (now, done, total)
        if done == total:
            del self._told[path], self._began[path]
        self._tell(path, done=done, total=total, duration=now - began)

    def end(self, error: BaseException | None) -> None:
        """Nothing more comes: what has not arrived never will."""
        left, self._told = self._told, {}
        for path, (_, done, total) in left.items():
            how: dict[str, Any] = {"done": done, "total": total}
            how["duration"] = self._clock() - self._began.pop(path)
            how["error"] = error or RemoteFileError(f"{path} was given up")
            self._tell(path, **how)
