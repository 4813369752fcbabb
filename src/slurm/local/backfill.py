"""Which of the jobs that could start are let in: first come, first served, with backfill. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from slurm.local.requests import Resources


class Reservation(NamedTuple):
    """A place kept for a job that does not fit yet: from `start` on, all but `spare` is its own.

    `start` is in Unix seconds; infinite when nobody can say when what runs will have ended.
    """

    start: float
    spare: Resources


def reserve(
    cost: Resources, free: Resources, running: Iterable[tuple[float, Resources]]
) -> Reservation:
    """A place for a job that takes `cost` and does not fit into what is `free` now.

    `running` are the jobs that run: when each must have ended, and what it takes until then.
    """
    for end, taken in sorted(running, key=lambda one: one[0]):
        free = Resources(free.cpus + taken.cpus, free.mem + taken.mem)
        if free.holds(cost):
            return Reservation(end, free.without(cost))
    return Reservation(math.inf, free)


class Admission:
    """Lets jobs in, in the order they ask, as long as there is room on the machine.

    The first that does not fit gets a reservation. Those behind it are let in where they fit and do
    not delay it: they must have ended by then, or leave it enough. So a wide job starts in the end,
    however many small ones follow it.
    """

    def __init__(self, machine: Resources, running: Iterable[tuple[float, Resources]]) -> None:
        self._running = list(running)
        self._free = machine
        for _, cost in self._running:
            self._free = self._free.without(cost)
        self._place: Reservation | None = None

    @property
    def over(self) -> bool:
        """Whether nobody else can be let in."""
        return self._place is not None and self._free.cpus <= 0

    def admit(self, cost: Resources, end: float) -> bool:
        """Whether a job is let in that takes `cost` and must have ended by `end`."""
        if not self._free.holds(cost):
            if self._place is None:
                self._place = reserve(cost, self._free, self._running)
            return False
        if self._place is not None and end > self._place.start:
            if not self._place.spare.holds(cost):
                return False
            self._place = Reservation(self._place.start, self._place.spare.without(cost))
        self._free = self._free.without(cost)
        self._running.append((end, cost))
        return True
