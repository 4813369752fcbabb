"""How jobs ended that were found again, as their metadata files say: the scheduler may have forgotten them long ago.

What a runner noted of its job counts, and what a client noted of one that could not (`slurm.tracking.end_notes`).
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slurm.errors import RemoteFileError
from slurm.job_dir.array_ends import last_of, notes_in
from slurm.job_dir.item_records import STATUS
from slurm.states import ENDED, ENDED_IF_IT_STAYS, JobState, Observation, parse_state
from slurm.tracking.item_records import ItemRecords
from slurm.tracking.record import is_packed

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.job_dir.item_records import ItemRecord
    from slurm.job_dir.paths import ArrayDirectory
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
        contents = dict(zip(paths, backend.read_files(list(paths)) if paths else ()))
    except RemoteFileError:
        return  # whoever may not read them has to ask the scheduler
    noted = _notes_on(records, contents)
    for record in records:
        if record in own:
            content: Mapping[str, Any] = _object(contents[record.directory.metadata])
        else:
            content = _item(packed.begun(record), ended.get(record))
        end = end_in(content, noted.get(record))
        if end is not None:
            yield record, Observation(record.id, SOURCE, end, node=_text(content, "node"))


def _item(begun: Mapping[str, Any], ended: ItemRecord | None) -> Mapping[str, Any]:
    """What `end_in` has to know of a packed item's metadata: those of its array task, until it has ended."""
    return begun if ended is None else {**ended.shared, "status": STATUS[ended.frame.kind]}


def _notes_on(
    records: Sequence[JobRecord], contents: Mapping[str, bytes | None]
) -> dict[JobRecord, Mapping[str, Any]]:
    """The last note on each of those that are items of arrays, where there is one; the notes of an array are read once."""
    found: dict[JobRecord, Mapping[str, Any]] = {}
    for array, some in _of_arrays(records).items():
        notes = notes_in(_object(contents[array.metadata]), contents[array.ends])
        last = last_of(notes, sorted(some))
        found.update((record, last[index]) for index in last for record in some[index])
    return found


def _of_arrays(
    records: Iterable[JobRecord],
) -> Mapping[ArrayDirectory, Mapping[int, Sequence[JobRecord]]]:
    arrays: dict[ArrayDirectory, dict[int, list[JobRecord]]] = {}
    for record in records:
        if record.element is not None:
            items = arrays.setdefault(record.element.array, {})
            items.setdefault(record.element.index, []).append(record)
    return arrays


def end_in(metadata: Mapping[str, Any], note: Mapping[str, Any] | None = None) -> JobState | None:
    """How a job ended by its own metadata, or by the last `note` on it where it is an item of an array.

    None where nobody says that it has: a job that is lost may have left a result yet.

    >>> print(end_in({"status": "completed"}), end_in({"status": "running"}))
    COMPLETED None
    >>> print(end_in({"status": "running"}, {"items": "0-3", "status": "timeout"}))
    TIMEOUT
    """
    own = _ended(metadata)
    if own is not None or note is None:
        return own
    # One that was started again since is told of by the note no more.
    later = _text(note, "ended_at") >= _text(metadata, "started_at")
    return _ended(note) if later else None


def _files_of(record: JobRecord, own: Container[JobRecord]) -> Iterator[str]:
    if record in own:
        yield record.directory.metadata
    if record.element is not None:
        yield record.element.array.metadata
        yield record.element.array.ends


def _ended(content: Mapping[str, Any]) -> JobState | None:
    state = parse_state(_text(content, "status").upper() or "-")
    return state if state in ENDED | ENDED_IF_IT_STAYS else None


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    return value if isinstance(value, str) else ""


def _object(data: bytes | None) -> dict[str, Any]:
    try:
        content = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
