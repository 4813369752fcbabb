"""What is known of each item of an array, and of all of them without looking at each. Pure."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from slurm.sbatch.array_layout import ArrayLayout
from slurm.states import JobStatus

FIRST = JobStatus()
K = TypeVar("K")


class ItemStates:
    """A status for each item, of which equal ones are one object, and how many items have each.

    >>> states = ItemStates(ArrayLayout(5, pack=2))
    >>> states.change([0, 1, 4], FIRST, JobStatus(finished=True))
    >>> states.left, states.live_tasks(), [items for _, items in states.live_alike([range(3)])]
    (2, [1], [[2, 3]])
    """

    def __init__(self, layout: ArrayLayout) -> None:
        self.layout: ArrayLayout = layout
        self.statuses: list[JobStatus] = [FIRST] * layout.count
        self.left: int = layout.count  # how many have not ended
        self._left_of_task = array(
            "l", (len(layout.items_of_task(task)) for task in range(layout.tasks))
        )
        self._counts: dict[JobStatus, int] = {FIRST: layout.count} if layout.count else {}
        self._ends: dict[bool | None, int] = {None: layout.count} if layout.count else {}
        self._same: dict[JobStatus, JobStatus] = {FIRST: FIRST}

    def copy(self) -> ItemStates:
        """The same, counted anew: in a forked child, where the parent may have been about to count."""
        made = ItemStates(self.layout)
        for before, indices in made.alike(range(self.layout.count)):
            for after, some in _grouped(self.statuses, indices):
                made.change(some, before, after)
        return made

    @property
    def each(self) -> Iterable[JobStatus]:
        """Every status that there is, once."""
        return tuple(self._counts)

    @property
    def ends(self) -> set[bool | None]:
        """How items have ended, well or not, None where some have not; asked at every news, however many statuses there are."""
        return set(self._ends)

    def any(self, test: Callable[[JobStatus], bool]) -> bool:
        """Whether there is an item with such a status."""
        return any(map(test, tuple(self._counts)))

    def counted(self) -> Mapping[JobStatus, int]:
        """How many items have each status."""
        return dict(self._counts)

    def first(self, test: Callable[[JobStatus], bool]) -> int | None:
        """The first item with such a status."""
        wanted = {id(status) for status in self.each if test(status)}
        found = (index for index, one in enumerate(self.statuses) if id(one) in wanted)
        return next(found, None) if wanted else None

    def of_piece(self, number: int) -> Iterable[JobStatus]:
        """Every status that there is in one of the array's submissions, once."""
        piece, pack = self.layout.pieces[number], self.layout.pack
        some = self.statuses[piece.first * pack : (piece.first + piece.count) * pack]
        return {id(one): one for one in some}.values()

    def live_tasks(self) -> list[int]:
        """The array tasks, numbered over all submissions, that run an item which has not ended."""
        return [task for task, left in enumerate(self._left_of_task) if left]

    def live_alike(self, tasks: Iterable[range]) -> list[tuple[JobStatus, list[int]]]:
        """The items of array tasks that have not ended, those of one status together."""
        pack, count = self.layout.pack, self.layout.count
        of_all = (
            self.layout.items_of_task(task) if pack > 1 else (task,)
            for some in tasks
            for task in some
            if task * pack < count
        )
        groups = self.alike(itertools.chain.from_iterable(of_all))
        return [(status, items) for status, items in groups if not status.finished]

    def alike(self, indices: Iterable[int]) -> list[tuple[JobStatus, list[int]]]:
        """These items, those of one status together."""
        return _grouped(self.statuses, indices)

    def change(self, indices: Sequence[int], before: JobStatus, after: JobStatus) -> None:
        """Have these items, all of which have the status `before`, have another one."""
        after = self._same.setdefault(after, after)
        for index in indices:
            self.statuses[index] = after
        _move(self._counts, before, after, len(indices))
        _move(self._ends, before.ended_well, after.ended_well, len(indices))
        if after.finished and not before.finished:
            self.left -= len(indices)
            pack = self.layout.pack
            for index in indices:
                self._left_of_task[index // pack] -= 1


def _move(counts: dict[K, int], before: K, after: K, number: int) -> None:
    """So many are counted as `after`, that were as `before`."""
    counts[after] = counts.get(after, 0) + number
    counts[before] -= number
    if not counts[before]:
        del counts[before]


def _grouped(
    statuses: Sequence[JobStatus], indices: Iterable[int]
) -> list[tuple[JobStatus, list[int]]]:
    groups: dict[int, tuple[JobStatus, list[int]]] = {}
    for index in indices:
        status = statuses[index]
        group = groups.get(id(status))
        if group is None:
            group = groups[id(status)] = status, []
        group[1].append(index)
    return list(groups.values())
