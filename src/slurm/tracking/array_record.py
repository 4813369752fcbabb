"""What is known of an array and of each of its items: one record for all of them, however many they are."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from slurm import forks
from slurm.errors import SlurmError
from slurm.job_dir.paths import ArrayDirectory
from slurm.states import ACTIVE, JobStatus
from slurm.tracking.array_waits import WaitedArray
from slurm.tracking.deadline import Moment
from slurm.tracking.element_record import ElementRecord, Items
from slurm.tracking.elements import Elements
from slurm.tracking.item_states import ItemStates
from slurm.tracking.record import ArrayElement, JobOperations, JobRecord
from slurm.tracking.waiting import Calls, Waiting

if TYPE_CHECKING:
    from slurm.api.site import Site
    from slurm.job_dir.result import Outcome
    from slurm.sbatch.array_layout import ArrayLayout
    from slurm.tracking.subject import Subject
    from slurm.tracking.submitted_array import SubmittedArray
    from slurm.tracking.upstream import Dependency, Upstream


class ArrayRecord(WaitedArray):
    """An array that was `submitted`: `ids` of its submissions, the `directory` and the `layout` of its items.

    - `group`: the array that users have; held until all items have ended, and with it its cluster.
    - `outcomes`: what became of items, of which somebody has asked that.
    """

    def __init__(
        self,
        site: Site,
        operations: JobOperations,
        task_name: str,
        submitted: SubmittedArray,
        group: Upstream,
    ) -> None:
        super().__init__()
        self.site: Site = site
        self.operations: JobOperations = operations
        self.task_name: str = task_name
        self.token: str = submitted.token
        self.waits_for: tuple[Dependency, ...] = submitted.waits_for
        self._ids = submitted.ids
        self.directory: ArrayDirectory = submitted.directory
        self.layout: ArrayLayout = submitted.layout
        self.reattached: bool = submitted.reattached
        self.group: Upstream = group
        self.outcomes: dict[int, Outcome] = {}
        known = () if self.reattached else submitted.options
        self._options = dict(enumerate(known))  # by the piece
        self._states = ItemStates(self.layout)
        self._met = not self.reattached
        self._alive: Moment | None = None if self.reattached else Moment()
        self._alive_last: list[Moment | None] = []  # of items that have ended
        if self.reattached and self.count:
            operations.found_again(self)

    # Where it is, and where its items are

    @property
    def ids(self) -> tuple[str, ...]:
        return self._ids

    @property
    def count(self) -> int:
        """How many items it has."""
        return self.layout.count

    def element(self, index: int) -> ElementRecord:
        """What is known of one item."""
        return ElementRecord(self, index)

    def items(self, indices: Sequence[int], status: JobStatus, task: int | None = None) -> Items:
        """Items that have this status; of the array `task`, if one is named."""
        return Items(self, indices, status, task)

    @property
    def records(self) -> Elements[JobRecord]:
        """What is known of each item."""
        return Elements(self, self.element)

    def place_of(self, index: int) -> ArrayElement:
        """The place of an item in the array."""
        piece, _ = self.layout.place_of(index)
        return ArrayElement(index, self.directory, self.layout.pack > 1, piece, self.group)

    def id_of(self, index: int | None) -> str:
        """The scheduler's id of the array task that runs an item; without one, those of the array."""
        return ",".join(self.ids) if index is None else self.id_of_task(index // self.layout.pack)

    def id_of_task(self, task: int) -> str:
        """The scheduler's id of an array task, numbered over all submissions."""
        piece, number = self.layout.place_of_task(task)
        return f"{self.ids[piece]}_{number}"

    def directory_of(self, index: int) -> str:
        """The directory of an item."""
        return self.directory.element(self.layout.name(index)).path

    def options_of(self, index: int) -> Mapping[str, str] | None:
        """sbatch's options in the script that an item's job runs."""
        return self._options.get(self.layout.place_of(index)[0])

    def note_options(self, index: int, options: Mapping[str, str]) -> None:
        """Those of an item's job have been read from its script."""
        self._options[self.layout.place_of(index)[0]] = options

    # What is known of it

    @property
    def states(self) -> ItemStates:
        """What is known of each item."""
        self._be_here()
        return self._states

    def _be_here(self) -> None:
        if self._here.process is forks.here():
            return
        with forks.renewing():
            if self._here.process is forks.here():
                return
            self._states = self._states.copy()
            self._here = Waiting()
        if self._states.left:
            with contextlib.suppress(SlurmError):  # its cluster was closed: who waits is told
                self.operations.watch([self])

    def status_of(self, index: int) -> JobStatus:
        """What is known of an item at this moment."""
        return self.states.statuses[index]

    def alike(self, indices: Iterable[int]) -> list[tuple[JobStatus, list[int]]]:
        """Items by what is known of them at this moment."""
        return self.states.alike(indices)

    @property
    def finished(self) -> bool:
        return not self.states.left

    @property
    def successful(self) -> bool:
        """Whether all items have ended and their task returned."""
        return self.ends <= {True}

    @property
    def has_failed(self) -> bool:
        """Whether any item has ended, and not well."""
        return False in self.ends

    @property
    def is_running(self) -> bool:
        """Whether any item was running when last heard of."""
        return self.states.any(lambda status: not status.finished and status.state in ACTIVE)

    @property
    def unmet(self) -> bool:
        return not self._met and not self.finished

    @property
    def uncertain(self) -> bool:
        return self.states.any(lambda status: status.uncertain)

    @property
    def ends(self) -> set[bool | None]:
        return self.states.ends

    def ends_of_piece(self, number: int) -> Collection[bool | None]:
        return {status.ended_well for status in self.states.of_piece(number)}

    @property
    def last_alive(self) -> Moment | None:
        return self._alive

    def last_alive_of(self, index: int) -> Moment | None:
        """When it was heard last that an item had not ended."""
        ended = self._alive_last and self.status_of(index).finished
        return self._alive_last[index] if ended else self._alive

    @property
    def given_away(self) -> JobRecord | None:
        found = self.states.first(lambda status: status.reused and not status.finished)
        return None if found is None else self.element(found)

    @property
    def unfinished(self) -> JobRecord | None:
        """The first item that has not ended."""
        found = self.states.first(lambda status: not status.finished)
        return None if found is None else self.element(found)

    # For whoever watches it

    def live_records(self) -> Iterator[JobRecord]:
        return (self.element(n) for n, one in enumerate(self.states.statuses) if not one.finished)

    def live_pieces(self) -> Iterator[tuple[str, int, Sequence[int]]]:
        """Of each submission of which something has not ended: its id, its number, and which of its tasks have not."""
        tasks, size = self.states.live_tasks(), max(1, self.layout.tasks_to_a_piece)
        for piece, some in itertools.groupby(tasks, lambda task: task // size):
            yield self.ids[piece], piece, [task - piece * size for task in some]

    def live_in_piece(
        self, piece: int, tasks: Iterable[range]
    ) -> list[tuple[JobStatus, list[int]]]:
        """The items of tasks of a submission that have not ended, those of one status together."""
        first = piece * self.layout.tasks_to_a_piece
        of_all = (range(one.start + first, one.stop + first, one.step) for one in tasks)
        return self.states.live_alike(of_all)

    def live_items(self, indices: Iterable[int]) -> Iterable[Subject]:
        groups = self.alike(index for index in indices if index < self.count)
        return [self.items(some, status) for status, some in groups if not status.finished]

    def seen_alive(self, at: Moment) -> None:
        """Take notice that the scheduler knew some of it `at` that moment, as what goes on."""
        self._alive = at

    def observe(
        self, indices: Sequence[int], before: JobStatus, after: JobStatus, at: Moment | None = None
    ) -> Calls | None:
        """Take the tracker's news of items that are known as `before`; see `Subject.observe`."""
        waiting = self._waiting
        with waiting.changing:
            if not (after.finished or after.forgotten):
                self._alive = at or Moment()
            if after is before:
                return None
            self._states.change(indices, before, after)
            if not after.finished or before.finished:
                return None
            self._remember(indices)
            calls = waiting.over(self, indices, all_of_it=self.finished)
            waiting.wake()
            return calls

    def _remember(self, indices: Sequence[int]) -> None:
        """These have ended: when they were alive is as the array is now."""
        self._alive_last = self._alive_last or [None] * self.count
        for index in indices:
            self._alive_last[index] = self._alive

    def met(self) -> None:
        self._met = True

    def abandon(self) -> None:
        waiting = self._waiting
        with waiting.changing:
            waiting.abandoned = True
            left = [n for n, one in enumerate(self._states.statuses) if not one.finished]
            calls = waiting.over(self, left, all_of_it=True)
            waiting.wake()
        if calls is not None:
            calls.make()

    def __repr__(self) -> str:
        return f"array {self.id_of(None)} of {self.count} ({self.task_name})"
