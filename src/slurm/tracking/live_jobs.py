"""What a tracker watches, each once, and found by its token whenever an event names that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from slurm.tracking.record import JobRecord

if TYPE_CHECKING:
    from slurm.tracking.record import Watched
    from slurm.tracking.subject import Subject


class LiveJobs:
    """Jobs and arrays that have not ended, in the order in which they came. Not for several threads at once."""

    def __init__(self) -> None:
        self._watched: dict[Watched, None] = {}
        self._with_token: dict[str, list[Watched]] = {}  # one job may have several futures

    def __len__(self) -> int:
        return len(self._watched)

    def __iter__(self) -> Iterator[Watched]:
        return iter(self._watched)

    def __contains__(self, one: object) -> bool:
        return one in self._watched

    def add(self, one: Watched) -> None:
        """Take one that is not here yet."""
        self._watched[one] = None
        self._with_token.setdefault(one.token, []).append(one)

    def remove(self, one: Watched) -> None:
        """Let go of one that is here."""
        del self._watched[one]
        alike = self._with_token[one.token]
        alike.remove(one)
        if not alike:
            del self._with_token[one.token]

    def with_tokens(self, tokens: Iterable[str]) -> list[Subject]:
        """The jobs, and the items of arrays, that have these tokens and have not ended; all futures of each."""
        found: list[Subject] = []
        items: dict[Watched, list[int]] = {}
        for token in tokens:
            known = self._with_token.get(token, ())
            found += [one for one in known if isinstance(one, JobRecord)]
            of_array, _, number = token.rpartition("_")
            for one in self._with_token.get(of_array, ()) if number.isdecimal() else ():
                items.setdefault(one, []).append(int(number))
        for one, numbers in items.items():
            found += one.live_items(numbers)
        return found
