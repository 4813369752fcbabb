"""How jobs ended that were found again, as their metadata files say: the scheduler may have forgotten them long ago.

What a runner noted of its job counts, and what a client noted of one that could not (`slurm.tracking.end_notes`).
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slurm.errors import RemoteFileError
from slurm.job_dir.item_records import STATUS
from slurm.job_dir.metadata import ENDED as NOTES
from slurm.states import ENDED, ENDED_IF_IT_STAYS, JobState, Observation, parse_state
from slurm.tracking.item_records import ItemRecords
from slurm.tracking.record import is_packed

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.job_dir.item_records import ItemRecord
    from slurm.tracking.record import JobRecord

SOURCE = "metadata"


def written_ends(
    backend: BackendBase, records: Sequence[JobRecord]
) -> Iterator[tuple[JobRecord, Observation]]:
    """Those of `records` whose files say that they have ended, and how; all files of a kind are read in one round trip.

    Raises `TransportError`.
    """
    packed = ItemRecords(backend, filter(is_packed, records))
    try:
        ended = dict(packed.read(bodies=False))
        own = {one for one in records if not is_packed(one)} | set(packed.without)
        paths = dict.fromkeys(path for one in records for path in _files_of(one, own))
        contents = dict(zip(paths, map(_object, backend.read_files(list(paths)) if paths else ())))
    except RemoteFileError:
        return  # whoever may not read them has to ask the scheduler
    for record in records:
        element = record.element
        noted = contents[element.array.metadata].get(NOTES) if element is not None else None
        if record in own:
            content: Mapping[str, Any] = contents[record.directory.metadata]
        else:
            content = _item(packed.begun(record), ended.get(record))
        end = end_in(content, noted, None if element is None else element.index)
        if end is not None:
            yield record, Observation(record.id, SOURCE, end, node=_text(content, "node"))


def _item(begun: Mapping[str, Any], ended: ItemRecord | None) -> Mapping[str, Any]:
    """What `end_in` has to know of a packed item's metadata: those of its array task, until it has ended."""
    return begun if ended is None else {**ended.shared, "status": STATUS[ended.frame.kind]}


def end_in(
    metadata: Mapping[str, Any], notes: object = None, index: int | None = None
) -> JobState | None:
    """How a job ended by its own metadata, or by the `notes` of the array in which it is item `index`.

    None where nobody says that it has: a job that is lost may have left a result yet.

    >>> print(end_in({"status": "completed"}), end_in({"status": "running"}))
    COMPLETED None
    >>> print(end_in({"status": "running"}, [{"items": "0-3", "status": "timeout"}], 2))
    TIMEOUT
    """
    own = _ended(metadata)
    if own is not None or index is None:
        return own
    for note in reversed(notes) if isinstance(notes, list) else ():
        if isinstance(note, dict) and _names(_text(note, "items"), index):
            # One that was started again since is told of by the note no more.
            later = _text(note, "ended_at") >= _text(metadata, "started_at")
            return _ended(note) if later else None
    return None


def _files_of(record: JobRecord, own: Container[JobRecord]) -> Iterator[str]:
    if record in own:
        yield record.directory.metadata
    if record.element is not None:
        yield record.element.array.metadata


def _ended(content: Mapping[str, Any]) -> JobState | None:
    state = parse_state(_text(content, "status").upper() or "-")
    return state if state in ENDED | ENDED_IF_IT_STAYS else None


def _names(ranges: str, index: int) -> bool:
    """Whether ``0-3,7`` names this number."""
    return any(int(first) <= index <= int(last or first) for first, last in _bounds(ranges))


def _bounds(ranges: str) -> Iterable[tuple[str, str]]:
    for part in ranges.split(","):
        first, dash, last = part.partition("-")
        if first.isdecimal() and (last.isdecimal() if dash else not last):
            yield first, last


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    return value if isinstance(value, str) else ""


def _object(data: bytes | None) -> dict[str, Any]:
    try:
        content = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
