"""Which items of a packed array have left records, read from its files where they are: on nodes, and by workflows."""

from __future__ import annotations

import os

from slurm.agent.record_files import counting, in_folder
from slurm.agent.record_frames import Frame, frames_of, read_frames
from slurm.job_dir.item_records import ItemRecord, Records
from slurm.job_dir.paths import ArrayDirectory


class RecordIndex:
    """Knows where the records of an array's items are, as far as somebody has asked; what is added later is found later."""

    def __init__(self, array: ArrayDirectory) -> None:
        self.folder: str = array.records
        self._items: dict[int, ItemRecord] = {}
        self._records = Records()
        self._ends: dict[str, int] = {}

    @property
    def exists(self) -> bool:
        """Whether the array is a packed one that leaves records."""
        return os.path.isdir(self.folder)

    def find(self, item: int) -> ItemRecord | None:
        """The record of an item, with its result where that is in it; None where there is none yet. Raises ``OSError``."""
        if item not in self._items:
            self._read_on()
        known = self._items.get(item)
        if known is None or not known.has_result:
            return known
        return known._replace(frame=self._whole(known))

    def _read_on(self) -> None:
        opened = in_folder(self.folder)
        for one in counting(os.listdir(self.folder), opened):
            with opened(one.name) as file:
                at = self._ends.get(one.name, 0)
                frames = list(read_frames(file, at, one.limit, bodies=False))
            for record in self._records.of(one.name, frames):
                self._items.setdefault(record.item, record)
            if frames:
                self._ends[one.name] = frames[-1].end

    def _whole(self, record: ItemRecord) -> Frame:
        """The frame with its body, which was passed over."""
        with in_folder(self.folder)(record.file) as file:
            file.seek(record.frame.offset)
            data = file.read(record.frame.end - record.frame.offset)
        return next(frames_of(data), record.frame._replace(whole=False))
