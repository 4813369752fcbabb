"""Checksums of a file's parts, by which two copies of it are compared."""

from __future__ import annotations

import hashlib
import io
from typing import BinaryIO

PART = 64 << 20  # bytes that have one checksum: what the cluster reads in a moment
READ = 1 << 20


class Sums:
    """Checksums of a file's parts, made as its bytes come.

    >>> sums = Sums()
    >>> sums.add(b"abc")
    >>> sums.size, len(sums.all())
    (3, 1)
    """

    def __init__(self) -> None:
        self.size: int = 0
        self._done: list[str] = []
        self._now = hashlib.sha256()

    def add(self, data: bytes) -> None:
        """The next bytes."""
        view = memoryview(data)
        while view:
            room = PART - self.size % PART
            self._now.update(view[:room])
            self.size += len(view[:room])
            view = view[room:]
            if self.size % PART == 0:
                self._done.append(self._now.hexdigest())
                self._now = hashlib.sha256()

    def all(self) -> list[str]:
        """One for each part; an empty file has one."""
        open_end = self.size % PART or not self.size
        return [*self._done, *([self._now.hexdigest()] if open_end else [])]


def sums_of(file: BinaryIO | io.FileIO) -> Sums:
    """Of all that is in a file, which is read to its end."""
    sums = Sums()
    for data in iter(lambda: file.read(READ), b""):
        sums.add(data)
    return sums
