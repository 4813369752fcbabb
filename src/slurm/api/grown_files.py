"""What was added to files, for a backend that can only read whole ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Optional

from slurm.agent.log_requests import MARK
from slurm.api.requests import Added, FilePlace

Read = Callable[[Sequence[str]], Iterable[Optional[bytes]]]


def wait_added(
    read: Read, files: Sequence[tuple[str, FilePlace]], timeout: float, every: float
) -> list[Added]:
    """As `BackendBase.wait_added`."""
    deadline = time.monotonic() + timeout
    while True:
        found = list(_added(read, files))
        if found or time.monotonic() >= deadline:
            return found
        time.sleep(every)


def _added(read: Read, files: Sequence[tuple[str, FilePlace]]) -> Iterator[Added]:
    contents = read([path for path, _ in files])
    for number, ((_, place), content) in enumerate(zip(files, contents)):
        if content is not None:
            added = added_to(content, place, number)
            if added.data or added.anew:
                yield added


def added_to(content: bytes, place: FilePlace, number: int = 0) -> Added:
    """What of a file's content is behind a place.

    >>> added = added_to(b"one two", FilePlace(3, b"one".hex()))
    >>> added.data, added.anew, added_to(b"new", added.place).anew
    (b' two', False, True)
    """
    mark = bytes.fromhex(place.mark)
    start = place.offset if place.offset >= 0 else max(0, len(content) + place.offset)
    anew = content[start - len(mark) : start] != mark
    start = 0 if anew else start
    data = content[start:]
    end = FilePlace(start + len(data), content[max(0, len(content) - MARK) :].hex())
    return Added(number, start, end, data, anew)
