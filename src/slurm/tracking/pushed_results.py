"""Results that came with the news of a job's end, until somebody asks for them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slurm.job_dir.news import Result

MOST_BYTES = 32 << 20


class PushedResults:
    """Small results, by their job's token: the newest of them, `most` bytes altogether.

    One that is not here is read from where it is.

    >>> results = PushedResults(most=8)
    >>> for token in "abc":
    ...     results.put(token, token.encode() * 4)
    >>> results.take("a") is None, results.take("c"), results.take("c") is None
    (True, b'cccc', True)
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most = most
        self._contents: OrderedDict[str, Result] = OrderedDict()
        self._size = 0
        self._changing = threading.Lock()

    def put(self, token: str, result: Result) -> None:
        """Keep the result of the job with this token."""
        with self._changing:
            self._size += _size_of(result) - _size_of(self._contents.pop(token, b""))
            self._contents[token] = result
            while self._size > self.most:
                _, oldest = self._contents.popitem(last=False)
                self._size -= _size_of(oldest)

    def take(self, token: str) -> Result | None:
        """The result, which is not kept here any longer; None where there is none."""
        with self._changing:
            result = self._contents.pop(token, None)
            self._size -= _size_of(result or b"")
            return result


def _size_of(result: Result) -> int:
    return len(result) if isinstance(result, bytes) else result.frame.end - result.frame.offset
