"""SHA-256 of what comes in pieces. Little of it is summed up without OpenSSL, which takes longer to load."""

from __future__ import annotations

import importlib
from typing import Any

LITTLE = 1 << 19  # bytes, in which OpenSSL has made up for half of its loading
# What Python brings along where it was not built without; `random` of the standard library uses its sibling.
BUILT_IN = ("_sha2", "_sha256")  # from Python 3.12 on, before


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
    for name in BUILT_IN:
        try:
            return importlib.import_module(name).sha256(data)
        except ImportError:
            continue
    import hashlib

    return hashlib.sha256(data)
