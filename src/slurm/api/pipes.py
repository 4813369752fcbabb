"""The two ends of a child's pipes, which tell of every byte that moves."""

from __future__ import annotations

import io
import os
import select
import threading
from collections.abc import Callable
from typing import IO, Any

AT_ONCE = 1 << 16  # bytes


class PipeWriter:
    """Writes to a child; never for longer than it takes to find out that nobody reads.

    `moved` is called when a part was taken and there is more: the last one a pipe may take while
    nobody reads. `check` is called every `every` seconds while none is taken; it raises to give up.
    """

    def __init__(
        self,
        stream: IO[bytes],
        *,
        moved: Callable[[], None],
        check: Callable[[], None],
        every: float,
    ) -> None:
        self._stream = stream
        self._moved = moved
        self._check = check
        self._every = every
        self._using = threading.Lock()
        os.set_blocking(stream.fileno(), False)

    def write(self, data: bytes) -> None:
        """Write all of `data`. Raises OSError or ValueError when the pipe is broken or closed."""
        left = memoryview(data)
        while left:
            if not self.has_room(self._every):
                self._check()
                continue
            try:
                with self._using:
                    left = left[os.write(self._stream.fileno(), left[:AT_ONCE]) :]
            except BlockingIOError:
                continue
            if left:
                self._moved()

    def has_room(self, seconds: float = 0.0) -> bool:
        """Whether something may be written now, or within some `seconds`; True as well when that would fail."""
        poll = select.poll()
        poll.register(self._stream.fileno(), select.POLLOUT)
        return bool(poll.poll(seconds * 1000))

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """Close the pipe, for whoever writes as well. Not in the midst of a write.

        That has the pipe's number in its hand already, which may be another pipe's a moment later.
        """
        with self._using:
            self._stream.close()


class PipeReader(io.RawIOBase):
    """Reads from a child; `moved` is called for every part that arrives."""

    def __init__(self, stream: IO[bytes], moved: Callable[[], None]) -> None:
        super().__init__()
        self._stream: Any = stream
        self._moved = moved

    def readable(self) -> bool:
        """As it is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some bytes as soon as there are any; 0 at the end."""
        count: int = self._stream.readinto(buffer)
        if count:
            self._moved()
        return count

    def close(self) -> None:
        """Close the child's end as well."""
        try:
            self._stream.close()
        finally:
            super().close()
