"""Bytes that may be too many for memory: what is on its way to a cluster, or has come from one."""

from __future__ import annotations

import io
import os
import weakref
from collections.abc import Iterator, Sequence
from pickle import PickleBuffer
from typing import Any

from slurm.errors import SerializationError

PIECE = 1 << 20
ROOMY = "/var/tmp"  # noqa: S108 - nothing there has a name; and /tmp may be memory itself


def scratch_directory() -> str:
    """Where temporary files go that may be large: ``TMPDIR``, else ``/var/tmp``, else as ``tempfile`` says."""
    if not os.environ.get("TMPDIR") and os.access(ROOMY, os.W_OK | os.X_OK):
        return ROOMY
    import tempfile  # late: most jobs are small

    return tempfile.gettempdir()


def scratch_file() -> io.FileIO:
    """An unbuffered file that only this process can see, and that is gone with it. Raises ``OSError``."""
    import tempfile

    return tempfile.TemporaryFile(buffering=0, dir=scratch_directory())


def write_all(file: io.FileIO | io.BytesIO, data: memoryview | bytes) -> int:
    """Write all of `data` to an unbuffered file, which takes what it likes. Raises ``OSError``."""
    view = memoryview(data)
    left = view.cast("B") if view.nbytes else view
    while left:
        left = left[file.write(left) :]
    return view.nbytes


def write_at(handle: int, offset: int, data: memoryview) -> None:
    """Write all of `data` to an open file at `offset`, whoever else writes to it. Raises ``OSError``."""
    while data:
        count = os.pwrite(handle, data, offset)
        data, offset = data[count:], offset + count


class SpooledFile:
    """What a job's arguments are pickled into: memory, and from `in_memory` bytes on a nameless file.

    With None everything stays in memory. Written by one thread; when that is done, any may read.

    >>> spool = SpooledFile(in_memory=4)
    >>> spool.write(b"abc"), spool.is_large
    (3, False)
    >>> spool.write(b"defg"), spool.is_large
    (4, True)
    >>> spool.read_at(2, 3)
    b'cde'
    """

    def __init__(self, in_memory: int | None = None) -> None:
        self.in_memory = in_memory
        self.size: int = 0
        self._memory = io.BytesIO()
        self._file: io.FileIO | None = None

    @property
    def is_large(self) -> bool:
        """Whether it is in a file."""
        return self._file is not None

    def write(self, data: Any) -> int:
        """Take bytes, or what a pickle has in their place. Raises `SerializationError` for want of room."""
        if type(data) is bytes and self._fits(len(data)):  # what most pickles are made of
            self._memory.write(data)
            self.size += len(data)
            return len(data)
        view = memoryview(data.raw() if isinstance(data, PickleBuffer) else data)
        if self._file is None and not self._fits(view.nbytes):
            self._move()
        if self._file is None:
            self._memory.write(view)
        else:
            self._write_out(self._file, view)
        self.size += view.nbytes
        return view.nbytes

    def _fits(self, size: int) -> bool:
        """Whether it stays in memory with so many bytes more."""
        most = self.in_memory
        return self._file is None and (most is None or self.size + size <= most)

    def truncate(self, size: int) -> None:
        """Forget all but the first `size` bytes."""
        target = self._file or self._memory
        target.seek(size)
        target.truncate()
        self.size = size

    def read_at(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on."""
        if self._file is not None:
            return os.pread(self._file.fileno(), size, offset)
        return bytes(self._memory.getbuffer()[offset : offset + size])

    def getvalue(self) -> bytes:
        """All of it, in memory."""
        return self._memory.getvalue() if self._file is None else b"".join(self.pieces())

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """All of it from `start` on, one bounded piece after the other."""
        if self._file is None:
            yield bytes(
                self._memory.getbuffer()[start:]
            )  # getvalue() would have the next write copy all
            return
        while piece := self.read_at(start, PIECE):
            yield piece
            start += len(piece)

    def contains(self, words: Sequence[bytes], start: int = 0) -> bool:
        """Whether any of `words` stands in it, from `start` on."""
        if self._file is None:
            rest = self._memory.getbuffer()[start:].tobytes()
            return any(word in rest for word in words)
        overlap = max(map(len, words)) - 1
        end = b""
        for piece in self.pieces(start):
            if any(word in end + piece[:overlap] or word in piece for word in words):
                return True
            end = piece[-overlap:]
        return False

    def _move(self) -> None:
        try:
            self._file = scratch_file()
        except OSError as error:
            raise self._no_room(error) from error
        weakref.finalize(self, self._file.close)
        self._write_out(self._file, self._memory.getbuffer())
        self._memory = io.BytesIO()

    def _write_out(self, file: io.FileIO, view: memoryview) -> None:
        try:
            write_all(file, view)
        except OSError as error:
            raise self._no_room(error) from error

    def _no_room(self, error: OSError) -> SerializationError:
        from slurm.usage import format_size

        return SerializationError(
            f"the arguments take more than {format_size(self.size)} pickled, and there is no room for "
            f"them in {scratch_directory()}: {error.strerror}; TMPDIR chooses another folder"
        )
