"""The items of packed arrays, which have record files in the place of metadata files of their own. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from slurm.agent.record_frames import frames_of
from slurm.job_dir.item_records import STATUS, ItemRecord, Records, moment
from slurm.job_dir.metadata import piece_key
from slurm.job_tree.facts import Content, number, text
from slurm.sbatch.array_layout import ArrayLayout

TOLD = ("job_id", "attempt", "node")


def layout_of(array: Content, count: int) -> ArrayLayout:
    """How the items of an array lie in its tasks, where it has so many."""
    return ArrayLayout(count, number(array, "pack") or 1, number(array, "max_array_size") or count)


def recorded(array: Content, files: Mapping[str, bytes]) -> Iterator[tuple[str, Content]]:
    """The name of each item, as its directory's would be, and its metadata, by the frames in record files.

    Of an array task that has begun, the first item without a record is the one that it is at.
    """
    count = number(array, "count")
    layout = layout_of(array, count)
    items: dict[int, ItemRecord] = {}
    known = Records()
    for name, frames in files.items():
        for record in known.of(name, frames_of(frames)):
            if record.item < count:
                items.setdefault(record.item, record)
    for item, record in items.items():
        yield layout.name(item), _ended(array, record)
    # Attempts are in order: the last of an array task's is the one that counts.
    tasks = {text(shared, "job_id"): shared for shared in known.shared.values()}
    for job_id, shared in tasks.items():
        left = [item for item in _items_of(job_id, array, layout) if item not in items]
        if left:
            yield layout.name(left[0]), _at_work(array, shared, items.get(left[0] - 1))


def _items_of(job_id: str, array: Content, layout: ArrayLayout) -> range:
    """The items that an array task runs, by its id."""
    submission, _, task = job_id.partition("_")
    for place, piece in enumerate(layout.pieces):
        if text(array, piece_key(place)) == submission and task.isdecimal():
            return layout.items_of_task(piece.first + int(task))
    return range(0)


def _ended(array: Content, record: ItemRecord) -> Content:
    began, _, ended = record.frame.times
    return {
        **_about(array, record.shared),
        **record.notes,
        "status": STATUS[record.frame.kind],
        "started_at": moment(began),
        "completed_at": moment(ended),
    }


def _at_work(array: Content, shared: Mapping[str, Any], before: ItemRecord | None) -> Content:
    began: Any = shared.get("started_at")
    if before is not None and before.shared == shared:
        began = moment(before.frame.times[2])
    return {**_about(array, shared), "status": text(shared, "status"), "started_at": began}


def _about(array: Content, shared: Mapping[str, Any]) -> dict[str, Any]:
    return {"timestamp": array.get("timestamp"), **{key: shared.get(key) for key in TOLD}}
