"""How jobs ended that were found again, as their metadata files say: the scheduler may have forgotten them long ago.

What a runner noted of its job counts, and what a client noted of one that could not (`slurm.tracking.end_notes`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slurm.errors import RemoteFileError
from slurm.job_dir.metadata import ENDED as NOTES
from slurm.states import ENDED, ENDED_IF_IT_STAYS, JobState, Observation, parse_state

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.tracking.record import JobRecord

SOURCE = "metadata"


def written_ends(
    backend: BackendBase, records: Sequence[JobRecord]
) -> Iterator[tuple[JobRecord, Observation]]:
    """Those of `records` whose files say that they have ended, and how; all files are read in one round trip.

    Raises `TransportError`.
    """
    paths = dict.fromkeys(path for record in records for path in _files_of(record))
    if not paths:
        return
    try:
        contents = dict(zip(paths, map(_object, backend.read_files(list(paths)))))
    except RemoteFileError:
        return  # whoever may not read them has to ask the scheduler
    for record in records:
        own, *array = (contents[path] for path in _files_of(record))
        index = record.element.index if record.element is not None else None
        end = end_in(own, array[0].get(NOTES) if array else None, index)
        if end is not None:
            yield record, Observation(record.id, SOURCE, end, node=_text(own, "node"))


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


def _files_of(record: JobRecord) -> tuple[str, ...]:
    own = record.directory.metadata
    return (own,) if record.element is None else (own, record.element.array.metadata)


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
