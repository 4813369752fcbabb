"""Locks on files, which end with the process that holds them."""

import errno
import fcntl
import os
import threading
import time
from typing import Any, ClassVar, List, Optional, Set


class Locked:
    """``with Locked(path):`` holds an exclusive lock on `path`, released when the process dies.

    Waits `timeout` seconds at most, if that is given, and raises ``TimeoutError`` then. A `shared` one keeps away those
    that are exclusive, and not each other.
    """

    # What this thread holds, so that a command may hold it as well; and what all threads have open.
    held: threading.local = threading.local()
    everywhere: ClassVar[Set[int]] = set()

    def __init__(self, path: str, timeout: Optional[float] = None, shared: bool = False) -> None:
        self.path = path
        self.timeout = timeout
        self.kind: int = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self.handle: int = -1

    @classmethod
    def handles(cls) -> List[int]:
        """The locks of this thread. A process that inherits them holds them until it ends."""
        return list(getattr(cls.held, "handles", ()))

    @classmethod
    def leave_to_parent(cls) -> None:
        """In a forked child: let go of what its parent holds, which would be held until the child ends as well."""
        for handle in cls.everywhere:
            os.close(handle)
        cls.everywhere.clear()
        cls.held = threading.local()

    def __enter__(self) -> "Locked":
        self.handle = os.open(
            self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600
        )
        self.everywhere.add(self.handle)
        try:
            self._acquire()
        except BaseException:
            self._close()
            raise
        self.held.handles = [*self.handles(), self.handle]
        return self

    def _acquire(self) -> None:
        if self.timeout is None:
            fcntl.flock(self.handle, self.kind)
            return
        deadline = time.monotonic() + self.timeout
        pause = 0.01
        while True:
            try:
                fcntl.flock(self.handle, self.kind | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TimeoutError(
                        errno.ETIMEDOUT, "held by another process", self.path
                    ) from None
            time.sleep(pause)
            pause = min(2 * pause, 0.25)

    def __exit__(self, kind: Any, *error: Any) -> None:
        self.held.handles.remove(self.handle)
        if kind is None:  # else a command that goes on holds it
            fcntl.flock(self.handle, fcntl.LOCK_UN)  # closing leaves it to a child that has it open
        self._close()

    def _close(self) -> None:
        self.everywhere.discard(self.handle)
        os.close(self.handle)
