"""What the items of an array task have left in its record files, for those who ask for one after the other.

It is remembered where each item's is, and up to where results were read: no part of a file is read again because another
item is asked for. Results themselves are not kept here.
"""

from __future__ import annotations

import contextlib
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from slurm import forks
from slurm.agent.json_files import parse_object
from slurm.agent.record_frames import HEADER, frames_of
from slurm.job_dir.item_records import ItemRecord, Records, facts_in
from slurm.job_dir.metadata import element_metadata
from slurm.job_dir.paths import ArrayDirectory

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.api.requests import RecordPart

MOST_ITEMS = 50_000  # of which it is remembered where they are, for all array tasks of a backend; more for one alone
# How many results are read at once where one item after the other is asked for, up or down, and their bytes.
TOGETHER, MOST = 5000, 1 << 20
APART = 1 << 16  # bytes, where they are asked for in no order


class Place(NamedTuple):
    """In which file an item's record is, and the record without its result."""

    file: str
    record: ItemRecord


class TaskRecords:
    """The records of the array task `job_id`, as far as they were read; `reading` is held by whoever asks for more."""

    def __init__(self, array: ArrayDirectory, job_id: str) -> None:
        self.array: ArrayDirectory = array
        self.job_id: str = job_id
        self.reading: forks.Lock = forks.Lock()
        self.counted: int = 0  # as how much `KnownTasks` takes it
        self._about: Mapping[str, Any] = {}
        self._facts: Mapping[str, Any] = {}
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._places: dict[int, Place] = {}
        self._seen = Records()
        self._seen_to: dict[str, int] = {}  # the places of what is before that are known
        self._taken = Records()
        self._taken_to: dict[str, int] = {}  # results were read up to there
        self._last = range(1)  # the items that were read last, or the numbers between them

    @property
    def size(self) -> int:
        """How many items it remembers."""
        return len(self._places)

    # What items have noted

    def metadata(self, backend: BackendBase, index: int) -> dict[str, Any] | None:
        """The metadata of an item; None before its array task has begun. Raises `RemoteFileError`, and ``ValueError``."""
        if index not in self._places:
            self._look_on(backend)
        if not self._about:
            self._about = parse_object(backend.read_file(self.array.metadata))
        shared, token = element_metadata(self._about), str(self._about.get("token"))
        if index in self._places:
            return self._places[index].record.metadata(shared, token)
        if not self._facts:
            return None
        about = {"token": f"{token}_{index}", "array_index": index}
        return {**shared, **facts_in(self._facts), **about}

    # What they have come to

    def results(self, backend: BackendBase, index: int) -> Sequence[ItemRecord]:
        """The record of an item with its result, and those of some that may be asked for next; without it where there is none.

        Raises `RemoteFileError`, `TransportError`.
        """
        if index not in self._places:
            found = self._further(backend, index)
            if _has(found, index):
                return found
            self._look_on(backend)
            if index not in self._places:
                return found
        found = self._beside(backend, index)
        if not _has(found, index):  # a later attempt of the task says that it does not count
            self._begin_anew()
            self._look_on(backend)
            found = self._beside(backend, index) if index in self._places else ()
        return found

    def _look_on(self, backend: BackendBase) -> None:
        """Learn where what was added since is."""
        for part in self._parts(backend, self._seen_to, bodies=False):
            self._seen_to[part.name] = part.end
            for one in _items_in(part, self._seen):
                self._places.setdefault(one.item, Place(part.name, one))
            self._facts = self._seen.shared.get(part.name, self._facts)

    def _further(self, backend: BackendBase, index: int) -> Sequence[ItemRecord]:
        """The results of an item and of those with the next numbers, from where results were read last."""
        found: list[ItemRecord] = []
        wanted = range(index, index + TOGETHER)
        for part in self._parts(backend, self._taken_to, items=wanted, most=MOST):
            self._taken_to[part.name] = part.end
            found += _items_in(part, self._taken)
        self._note_last(found)
        return found

    def _beside(self, backend: BackendBase, index: int) -> Sequence[ItemRecord]:
        """The results of an item whose place is known, and of those beside it."""
        if self._places[index].record.is_in_directory:
            return [self._places[index].record]
        wanted = self._neighbours(index)
        first = min((self._places[item] for item in wanted), key=_offset)
        known = Records()
        known.shared[first.file] = first.record.shared
        after = {**self._seen_to, first.file: _offset(first)}
        parts = self._parts(backend, after, items=wanted)
        found = [one for part in parts for one in _items_in(part, known)]
        self._note_last(found)
        return found

    def _neighbours(self, index: int) -> Sequence[int]:
        """The item, and those after it in its file that are read with it; those before it where items are asked for downwards."""
        last, own = self._last, self._places[index]
        step = -1 if index < last.start else 1
        is_near = last.start - len(last) <= index < last.stop + len(last)
        room = (MOST if is_near else APART) - _length(own)
        chosen = [index]
        while len(chosen) < TOGETHER:
            other = self._places.get(chosen[-1] + step)
            if other is None or other.file != own.file or room < _length(other):
                break
            chosen.append(other.record.item)
            room -= _length(other)
        return chosen

    def _note_last(self, found: Sequence[ItemRecord]) -> None:
        if found:
            items = [one.item for one in found]
            self._last = range(min(items), max(items) + 1)

    def _parts(
        self, backend: BackendBase, after: Mapping[str, int], **asked: Any
    ) -> Iterator[RecordPart]:
        return backend.read_records(
            self.array.records, jobs=[self.job_id], after=dict(after), **asked
        )


def _items_in(part: RecordPart, known: Records) -> Iterable[ItemRecord]:
    return known.of(part.name, frames_of(part.frames))


def _has(found: Iterable[ItemRecord], index: int) -> bool:
    return any(one.item == index for one in found)


def _offset(place: Place) -> int:
    return place.record.frame.offset


def _length(place: Place) -> int:
    """How many bytes it takes to send it with its result."""
    frame = place.record.frame
    return HEADER + len(frame.notes) + frame.size


class KnownTasks:
    """The array tasks of which records were read, the last ones of them."""

    def __init__(self) -> None:
        self._tasks: OrderedDict[tuple[str, str], TaskRecords] = OrderedDict()
        self._size = 0
        self._changing = forks.Lock()

    @contextlib.contextmanager
    def reading(self, array: ArrayDirectory, job_id: str) -> Iterator[TaskRecords]:
        """An array task, for whoever reads more of its records meanwhile."""
        key = (array.path, job_id)
        with self._changing:
            task = self._tasks.pop(key, None) or TaskRecords(array, job_id)
            self._tasks[key] = task
        with task.reading:
            try:
                yield task
            finally:
                with self._changing:
                    self._count(key, task)

    def _count(self, key: tuple[str, str], task: TaskRecords) -> None:
        if self._tasks.get(key) is not task:
            return
        self._size += 1 + task.size - task.counted
        task.counted = 1 + task.size
        while len(self._tasks) > 1 and self._size > MOST_ITEMS:
            _, oldest = self._tasks.popitem(last=False)
            self._size -= oldest.counted


_known: weakref.WeakKeyDictionary[BackendBase, KnownTasks] = weakref.WeakKeyDictionary()


def known_tasks(backend: BackendBase) -> KnownTasks:
    """Those whose records were read on this backend."""
    with forks.renewing():
        if backend not in _known:
            _known[backend] = KnownTasks()
        return _known[backend]
