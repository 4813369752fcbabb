"""What jobs have noted of themselves: in their metadata files, or as items of a packed array in its record files."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from slurm import forks
from slurm.agent.json_files import parse_object
from slurm.agent.record_frames import frames_of
from slurm.errors import RemoteFileMissing
from slurm.job_dir.item_records import ItemRecord, Records, facts_in
from slurm.job_dir.metadata import element_metadata
from slurm.job_dir.paths import ArrayDirectory
from slurm.tracking.record import ArrayElement, JobRecord, is_packed

if TYPE_CHECKING:
    from slurm.api.base import BackendBase

MOST_ITEMS = 50_000  # of which it is known what they have noted


def metadata_of(record: JobRecord) -> dict[str, Any]:
    """What a job has noted of itself. Raises `RemoteFileMissing` where it has not begun, ``ValueError`` for what is damaged."""
    backend, element = record.site.backend, record.element
    if element is not None and is_packed(record):
        try:
            found = _noted_on(backend).of(record.id, element)
        except RemoteFileMissing:  # an older SDK ran it
            found = None
        if found is not None:
            return found
    return parse_object(backend.read_file(record.directory.metadata))


class _TaskNotes:
    """The records of an array task as far as they were read."""

    def __init__(self, array: ArrayDirectory, job_id: str) -> None:
        self.array = array
        self.job_id = job_id
        self.items: dict[int, ItemRecord] = {}
        self.about: Mapping[str, Any] = {}
        self.facts: Mapping[str, Any] = {}
        self._records = Records()
        self._ends: dict[str, int] = {}

    def read_on(self, backend: BackendBase) -> None:
        """Read what was added since. Raises `RemoteFileError`, and ``ValueError``."""
        if not self.about:
            self.about = parse_object(backend.read_file(self.array.metadata))
        for part in backend.read_records(
            self.array.records, jobs=[self.job_id], after=self._ends, bodies=False
        ):
            self._ends[part.name] = part.end
            for one in self._records.of(part.name, frames_of(part.frames)):
                self.items.setdefault(one.item, one)
            self.facts = self._records.shared.get(part.name, self.facts)

    def of(self, index: int) -> dict[str, Any] | None:
        """The metadata of an item; None before its array task has begun."""
        shared, token = element_metadata(self.about), str(self.about.get("token"))
        if index in self.items:
            return self.items[index].metadata(shared, token)
        if not self.facts:
            return None
        about = {"token": f"{token}_{index}", "array_index": index}
        return {**shared, **facts_in(self.facts), **about}


class _Notes:
    """What items of packed arrays have noted, as far as it was asked for: many are asked for one by one."""

    def __init__(self, backend: BackendBase) -> None:
        self._backend = weakref.ref(backend)
        self._tasks: OrderedDict[tuple[str, str], _TaskNotes] = OrderedDict()
        self._changing = forks.Lock()

    def of(self, job_id: str, element: ArrayElement) -> dict[str, Any] | None:
        """See `metadata_of`."""
        backend = self._backend()
        assert backend is not None  # noqa: S101 - whoever asks holds it
        with self._changing:
            key = (element.array.path, job_id)
            task = self._tasks.pop(key, None) or _TaskNotes(element.array, job_id)
            if element.index not in task.items:
                task.read_on(backend)
            self._tasks[key] = task
            while len(self._tasks) > 1 and self._size > MOST_ITEMS:
                self._tasks.popitem(last=False)
            return task.of(element.index)

    @property
    def _size(self) -> int:
        return sum(len(task.items) for task in self._tasks.values())


_known: weakref.WeakKeyDictionary[BackendBase, _Notes] = weakref.WeakKeyDictionary()


def _noted_on(backend: BackendBase) -> _Notes:
    with forks.renewing():
        if backend not in _known:
            _known[backend] = _Notes(backend)
        return _known[backend]
