"""What a tracker watches, each once, and found by its token whenever an event names that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from slurm.tracking.array_record import ArrayRecord
from slurm.tracking.element_record import Items
from slurm.tracking.record import JobRecord, Watched

if TYPE_CHECKING:
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
        items: dict[ArrayRecord, list[int]] = {}
        for token in tokens:
            for one in self._with_token.get(token, ()):
                if isinstance(one, JobRecord):
                    found.append(one)
            array_token, _, number = token.rpartition("_")
            for array in self._with_token.get(array_token, ()) if number.isdecimal() else ():
                if isinstance(array, ArrayRecord) and int(number) < array.count:
                    items.setdefault(array, []).append(int(number))
        for array, indices in items.items():
            groups = array.alike(indices)
            found += [Items(array, some, of) for of, some in groups if not of.finished]
        return found
