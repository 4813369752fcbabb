"""One channel at a time, made when somebody needs it, and made again when it was lost."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from slurm.api.transport import Channel
from slurm.errors import AuthenticationFailed, HostKeyError, TransportError

T = TypeVar("T")

logger: logging.Logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between two attempts to connect again
MOST_LOSSES = 8  # connections that one question may lose: it may be what they are lost by
NEVER = float("inf")
HOPELESS = (AuthenticationFailed, HostKeyError)


def pause_before(attempt: int, chance: Callable[[], float] = random.random) -> float:
    """Seconds to wait before the attempt with this number; none before the first, then ever more.

    Half of each is left to chance, so that many clients do not come back together.

    >>> [pause_before(attempt, lambda: 1.0) for attempt in (*range(8), 5000)]
    [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    """
    if attempt == 0:
        return 0.0
    longest: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempt - 1, 10))
    return longest * (1 + chance()) / 2


class Connection:
    """Leads questions to an agent, through as many channels as that takes, one after the other.

    `start` begins one; `reconnect_timeout` is how many seconds a question waits for the next one when it has
    lost its own. The first channel of all is waited for only until it has failed: where nothing was
    ever reached, something is wrong that waiting does not mend. May be used by several threads.
    """

    def __init__(
        self, start: Callable[[], Channel], *, target: str, reconnect_timeout: float
    ) -> None:
        self._start = start
        self._target = target
        self._reconnect_timeout = reconnect_timeout
        self._changed = threading.Condition()
        self._channel: Channel | None = None
        self._has_been_open = False
        self._failures = 0
        self._not_before = 0.0
        self.closed: bool = False

    @property
    def current(self) -> Channel | None:
        """The channel that is open now, if there is one."""
        channel = self._channel
        return channel if channel is not None and channel.has_opened and channel.alive else None

    def ask(self, question: Callable[[Channel], T]) -> T:
        """The answer of a channel to `question`, which is put again when its channel is lost.

        Raises what the question does, and `TransportError` when there is no channel in time.
        """
        losses = 0
        until: float | None = None
        while True:
            channel = self.open(until)
            try:
                return question(channel)
            except TransportError:
                if channel.alive or self.closed:
                    raise
                losses += 1
                if losses >= MOST_LOSSES:
                    raise
                until = time.monotonic() + self._reconnect_timeout
                self._sleep_until(time.monotonic() + pause_before(losses - 1), until)

    def open(self, until: float | None = None) -> Channel:
        """A channel that is open, waited for `until` the monotonic clock says so. Raises `TransportError`.

        Without `until`, ``reconnect_timeout`` from when it is found to be lost.
        """
        while True:
            channel = self._begun()
            until = until or (
                time.monotonic() + self._reconnect_timeout if self._has_been_open else NEVER
            )
            try:
                if channel is None:
                    self._sleep_until(self._not_before, until)
                elif channel.await_open(until):
                    self._has_been_open = True
                    return channel
                if time.monotonic() >= until:
                    raise TransportError(f"{self._target}: there is no connection")
            except TransportError as error:
                self._lost(channel, error, until)

    def close(self) -> None:
        """Make no more channels, and end the one there is: whoever waits for it is told."""
        with self._changed:
            self.closed = True
            channel, self._channel = self._channel, None
            self._changed.notify_all()
        if channel is not None:
            channel.close()

    def _begun(self) -> Channel | None:
        """The channel there is, or a new one; None while it is too early for that."""
        with self._changed:
            if self.closed:
                raise TransportError(f"this connection to {self._target} was closed")
            channel = self._channel
            if channel is not None and not channel.alive:
                self._drop(channel)
            if self._channel is None and time.monotonic() >= self._not_before:
                self._channel = self._start()
            return self._channel

    def _drop(self, channel: Channel) -> None:
        """Forget a channel that was lost, and say when the next may be begun."""
        self._channel = None
        if channel.answered:
            self._failures = 0
            logger.warning("the connection to %s was lost; connecting again", self._target)
        pause = pause_before(self._failures) if self._has_been_open else 0.0
        self._not_before = time.monotonic() + pause
        self._failures += 1

    def _lost(self, channel: Channel | None, error: TransportError, until: float) -> None:
        """Raise the `error` of a channel that did not open, unless it is worth another one."""
        with self._changed:
            if channel is not None and self._channel is channel and not channel.alive:
                self._drop(channel)
            if self.closed or not self._has_been_open or isinstance(error, HOPELESS):
                raise error
            if time.monotonic() >= until:
                seconds = f"{self._reconnect_timeout:.0f} s"
                raise TransportError(f"{error} (trying again for {seconds} was in vain)") from error
            logger.info("no connection yet, trying again: %s", error)

    def _sleep_until(self, moment: float, until: float) -> None:
        """Wait, unless `close` is called or it is `until` before that."""
        with self._changed:
            while not self.closed:
                left = min(moment, until) - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)
