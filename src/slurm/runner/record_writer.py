"""The record file of an array task's attempt as its runner writes it, and the groups in which its records are told of."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable

TOGETHER = 0.05  # seconds in which records go to the disk, and to the client, together
LARGEST = 1 << 20  # bytes of records that do
LATER = 0.01  # seconds that the thread leaves to the items themselves to end a group
LONGEST_JOIN = 30.0  # seconds


class RecordFile:
    """A record file that one process adds to. `path` names it; `size` is how long it is."""

    def __init__(self, path: str) -> None:
        self.path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._handle = os.open(path, flags, 0o600)
        self.size: int = os.fstat(self._handle).st_size

    def add(self, frame: bytes) -> None:
        """Add a whole frame. Raises ``OSError``, and leaves no part of it where the disk is full."""
        done = 0
        try:
            while done < len(frame):
                done += os.write(self._handle, frame[done:] if done else frame)
        except OSError as error:
            error.filename = self.path
            with contextlib.suppress(OSError):  # else whoever reads passes over the part
                os.ftruncate(self._handle, self.size)
            self.size = os.fstat(self._handle).st_size
            raise
        self.size += done

    def sync(self) -> None:
        """Have all that was added survive a crash of the machine. Raises ``OSError``."""
        getattr(os, "fdatasync", os.fsync)(self._handle)

    def close(self) -> None:
        """Add no more. Raises ``OSError``."""
        os.close(self._handle)


class Groups:
    """Calls `end` with the frames that were added since it was called last: soon, but not for each.

    That is when `TOGETHER` seconds have passed, or at once after an item that took as long. A quick item may come before
    one that takes hours: so a thread ends the group in time. It lives only while one is open, and no child is forked
    meanwhile: to begin one ends the group.
    """

    def __init__(self, end: Callable[[list[bytes]], object]) -> None:
        self._end = end
        self._open: list[bytes] = []
        self._size = 0
        self._since = 0.0
        self._changing = threading.Lock()  # never held while anything is written
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        os.register_at_fork(before=self._end_thread)

    def add(self, frame: bytes, took: float) -> None:
        """Have `end` called with this one, of an item that took so many seconds."""
        now = time.monotonic()
        with self._changing:
            if not self._open:
                self._since, self._size = now, 0
            self._open.append(frame)
            self._size += len(frame)
            due = max(took, now - self._since) >= TOGETHER or self._size >= LARGEST
        if due:
            self.end()
        elif self._thread is None:
            self._start_thread()

    def end(self) -> None:
        """Call `end` for what there is."""
        with self._changing:
            frames, self._open = self._open, []
        if frames:
            self._end(frames)

    def close(self) -> None:
        """The same, for the last time."""
        self._end_thread()
        self.end()

    def _start_thread(self) -> None:
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._end_in_time, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no more are allowed: the next item ends the group
            self._thread = None

    def _end_in_time(self) -> None:
        hurry = self._hurry
        while True:
            with self._changing:
                if not self._open:
                    self._thread = None
                    return
                left = self._since + TOGETHER + LATER - time.monotonic()
            if left <= 0 or hurry.wait(left):
                self.end()

    def _end_thread(self) -> None:
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            self._hurry.set()
            thread.join(LONGEST_JOIN)
