"""Endless retries: pauses that grow while something fails, and an outage that is logged once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from slurm.errors import AuthenticationFailed, HostKeyError, SlurmError

logger: logging.Logger = logging.getLogger(__name__)

REFUSED_PAUSE = 60.0
REFUSED = (AuthenticationFailed, HostKeyError)


class Retries:
    """What several threads try again for ever, all of which need the same way to the cluster.

    What fails is left alone for `shortest` to `longest` seconds, longer every time. An outage is told
    once, whatever it keeps from happening; with `quiet` it is not told at all. Who was refused asks
    for nothing for a minute: sites lock out who asks too often, and only a human can mend it.

    >>> retries = Retries(1.0, 15.0)
    >>> def fail() -> None:
    ...     raise SlurmError("no answer")
    >>> [retries.attempt("looking", fail) for _ in range(5)], retries.attempt("listening", fail)
    ([2.0, 4.0, 8.0, 15.0, 15.0], 2.0)
    >>> retries.attempt("looking", lambda: None)
    0.0
    """

    def __init__(
        self, shortest: float, longest: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.shortest: float = shortest
        self.longest: float = longest
        self.quiet: bool = False
        self._clock = clock
        self._failures: dict[str, int] = {}  # in a row
        self._refused_until = float("-inf")
        self._changing = threading.Lock()

    def attempt(self, what: str, step: Callable[[], object]) -> float:
        """Try it; the seconds to wait before it is tried again, 0.0 when it has worked."""
        left = self._refused_until - self._clock()
        if left > 0:
            return left
        try:
            step()
        except SlurmError as error:
            return self._failed(what, error)
        except Exception:  # a bug of ours must not leave every future waiting for ever
            logger.exception("the job tracker failed and goes on")
            return self.longest
        with self._changing:
            self._failures.pop(what, None)
        return 0.0

    def _failed(self, what: str, error: SlurmError) -> float:
        with self._changing:
            level = logging.DEBUG if self._failures or self.quiet else logging.WARNING
            count = self._failures[what] = self._failures.get(what, 0) + 1
            pause: float = min(self.longest, self.shortest * 2 ** min(count, 10))
            if isinstance(error, REFUSED):
                pause = max(pause, REFUSED_PAUSE)
                self._refused_until = self._clock() + pause
        logger.log(level, "cannot see the jobs right now, trying again: %s", error)
        return pause
