"""How many seconds pass between two polls: few after something changed, more while nothing does."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

GROWTH = 1.5
SPREAD = 0.2


def by_chance() -> float:
    """A number from 0 to 1, by the system: `random` takes longer to load than a cluster to begin with it."""
    return int.from_bytes(os.urandom(4), "big") / (1 << 32)


class PollInterval:
    """The seconds between two polls, at least `shortest` and about `longest` at most.

    Every pause is drawn out by up to a fifth, so that many clients that began together do not go on
    asking together; `chance` draws a number from 0 to 1.

    >>> interval = PollInterval(1.0, 15.0, chance=lambda: 0.0)
    >>> [round(interval.after(changed=False, took=0.1), 1) for _ in range(8)]
    [1.5, 2.2, 3.4, 5.1, 7.6, 11.4, 15.0, 15.0]
    >>> interval.after(changed=True, took=0.1)
    1.0
    """

    def __init__(
        self, shortest: float, longest: float, *, chance: Callable[[], float] = by_chance
    ) -> None:
        self.shortest: float = shortest
        self.longest: float = longest
        self.interval: float = shortest
        self._chance = chance

    def hurry(self) -> None:
        """Something was done that changes a job."""
        self.interval = self.shortest

    def after(self, *, changed: bool, took: float, wanted_within: float = math.inf) -> float:
        """The pause after an answer that `took` so many seconds; a scheduler that is slow has longer ones.

        Callbacks that want to know of a change within `wanted_within` seconds make it shorter, though
        never shorter than `shortest`.
        """
        grown = min(self.longest, self.interval * GROWTH)
        self.interval = self.shortest if changed else grown
        pause = max(self.shortest, min(self.interval, wanted_within), 2 * took)
        return pause * (1 + SPREAD * self._chance())
