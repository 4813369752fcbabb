r"""The layout of ``result.pkl``, for files of any size: nothing here holds more than a piece of one.

::

    header     a pickled mapping of plain values
    body       the pickled value or exception; nothing for an exception that has none
    checksum   "\nsha256 " and 64 hexadecimal digits, of all that stands before

In files of schema 1 the body stands inside the header, under that name.
"""

from __future__ import annotations

import functools
import importlib
import pickle
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple

from slurm import errors

PROTOCOL = 5  # Python 3.8
CHECKSUM_MARK = b"\nsha256 "
CHECKSUM = 64  # hexadecimal digits
TAIL = len(CHECKSUM_MARK) + CHECKSUM
PIECE = 1 << 20
# Little is summed up without OpenSSL, which takes longer to load.
LITTLE = 1 << 19  # bytes, in which OpenSSL has made up for half of its loading
# What Python brings along where it was not built without; `random` of the standard library uses its sibling.
BUILT_IN = ("_sha2", "_sha256")  # from Python 3.12 on, before


class Part(NamedTuple):
    """A part of an open file: where it begins, and how long it is."""

    file: BinaryIO
    offset: int
    length: int


class Writer:
    """What a result is pickled into: passes it on to `file`, and knows its checksum.

    `size` is how many bytes there are, one that could not be written included; `problem` is why that
    could not be.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size: int = 0
        self.problem: OSError | None = None
        self._hash = Checksum()

    def write(self, data: Any) -> int:
        """Take bytes, or what a pickle has in their place. Raises ``OSError``."""
        if isinstance(data, pickle.PickleBuffer):
            data = data.raw()  # of an array with several dimensions
        length = memoryview(data).nbytes
        self.size += length
        self._hash.update(data)
        try:
            self.file.write(data)
        except OSError as error:
            self.problem = error
            raise
        return length

    def mark(self) -> tuple[int, Any]:
        """This place, for `rewind`."""
        return self.size, self._hash.copy()

    def rewind(self, mark: tuple[int, Any]) -> None:
        """Forget what was written since."""
        self.size, checksum = mark
        self._hash = checksum.copy()
        self.file.seek(self.size)
        self.file.truncate()

    def finish(self) -> None:
        """Add the checksum."""
        self.write(CHECKSUM_MARK + self._hash.hexdigest().encode())


def require_whole(file: BinaryIO, path: str) -> int:
    """The length of header and body. Raises `ResultCorrupted` unless they are as they were written."""
    end = max(0, file.seek(0, 2) - TAIL)
    file.seek(end)
    tail = file.read(TAIL)
    if not tail.startswith(CHECKSUM_MARK):
        raise errors.ResultCorrupted(f"{path} is truncated, or no result file")
    if sha256_of(_pieces(file, end)).encode() != tail[len(CHECKSUM_MARK) :]:
        raise errors.ResultCorrupted(f"{path} was altered: its checksum does not match")
    return end


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The first `size` bytes of a file, in bounded pieces."""
    file.seek(0)
    while size > 0 and (piece := file.read(min(size, PIECE))):
        yield piece
        size -= len(piece)


def sha256_of(pieces: Iterable[bytes]) -> str:
    """The SHA-256 of what comes in pieces, in hexadecimal digits.

    >>> sha256_of([b"a few ", b"bytes"])[:16]
    '01d5ffe0be8fe6ee'
    """
    checksum = Checksum()
    for piece in pieces:
        checksum.update(piece)
    return checksum.hexdigest()


class Checksum:
    """The SHA-256 of the pieces it was given.

    >>> checksum = Checksum()
    >>> checksum.update(b"a few bytes")
    >>> checksum.hexdigest()[:16]
    '01d5ffe0be8fe6ee'
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._sum: Any = None

    def update(self, data: Any) -> None:
        """Take in bytes, or what has a buffer of them."""
        if self._sum is None and len(self._held) + memoryview(data).nbytes <= LITTLE:
            self._held += data
            return
        if self._sum is None:
            import hashlib

            self._sum = hashlib.sha256(self._held)
            self._held.clear()
        self._sum.update(data)

    def copy(self) -> Checksum:
        """One that goes on from here by itself."""
        other = Checksum()
        other._held += self._held
        other._sum = None if self._sum is None else self._sum.copy()
        return other

    def hexdigest(self) -> str:
        """What it is by now, in 64 hexadecimal digits."""
        return str((_little(self._held) if self._sum is None else self._sum).hexdigest())


def _little(data: bytearray) -> Any:
    return own_sha256()(data)


@functools.lru_cache(
    maxsize=1
)  # looking for a module that is not there takes longer than a small sum
def own_sha256() -> Any:
    """The interpreter's own SHA-256, which is there at once; OpenSSL's where it has none."""
    for name in BUILT_IN:
        try:
            return importlib.import_module(name).sha256
        except ImportError:
            continue
    import hashlib

    return hashlib.sha256
