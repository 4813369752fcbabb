"""Whether a silent peer is still there. Pure, but for the clocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum

QUIET = (
    10.0  # seconds of silence after which a peer that owes an answer is asked for a sign of life
)
GRACE = 20.0  # seconds it has for that: a login node may be busy
GRACE_AFTER_SLEEP = 8.0  # the connection of a laptop that was asleep is dead more often than not
SLEPT = 5.0  # seconds by which the wall clock went ahead of the other, which stands still meanwhile


class Liveness(Enum):
    """What to do about a peer: let it be, ask it for a sign of life, give it up."""

    FINE = "fine"
    ASK = "ask"
    DEAD = "dead"


class Peer:
    """The other end of a connection, while something is expected of it.

    Silence is counted from when the peer was last heard, or from when something was first expected.
    Nothing is expected of a connection that nobody uses, so nothing is sent on it.

    >>> now = [0.0]
    >>> peer = Peer(clock=lambda: now[0], wall=lambda: now[0])
    >>> peer.expect()
    >>> for second in (9, 11, 30, 32):
    ...     now[0] = second
    ...     print(second, peer.look().value)
    9 fine
    11 ask
    30 fine
    32 dead
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._heard = clock()
        self._dead_at: float | None = None
        self._ahead = wall() - clock()

    def heard(self) -> None:
        """The peer gave a sign of life: it sent something, or took something."""
        self._heard = self._clock()
        self._dead_at = None

    def expect(self) -> None:
        """Something is expected from now on, and nothing was before."""
        self._heard = self._clock()
        self._dead_at = None

    def look(self) -> Liveness:
        """What to do now. To be asked every few seconds while something is expected."""
        now = self._clock()
        slept = self._has_slept(now)
        if self._dead_at is not None:
            return Liveness.DEAD if now >= self._dead_at else Liveness.FINE
        if slept or now - self._heard >= QUIET:
            self._dead_at = now + (GRACE_AFTER_SLEEP if slept else GRACE)
            return Liveness.ASK
        return Liveness.FINE

    def _has_slept(self, now: float) -> bool:
        """Whether this machine was suspended since the last look: it cannot have heard the peer leave."""
        ahead = self._wall() - now
        slept = ahead - self._ahead > SLEPT
        self._ahead = ahead
        return slept
