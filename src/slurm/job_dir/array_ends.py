"""How items of an array ended that could not say so themselves, by the notes of clients in the array's directory. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from slurm.agent.array_ends import ends_in
from slurm.job_dir.metadata import ENDED

LONGEST_NUMBER = 18  # digits


def notes_in(metadata: Mapping[str, Any], ends: bytes | None) -> list[Mapping[str, Any]]:
    """All notes, the later ones last: those that an older SDK has put into the metadata, and those in the file for them."""
    listed = metadata.get(ENDED)
    older = listed if isinstance(listed, list) else []
    return [note for note in (*older, *ends_in(ends or b"")) if isinstance(note, dict)]


def last_of(
    notes: Iterable[Mapping[str, Any]], items: Sequence[int]
) -> dict[int, Mapping[str, Any]]:
    """For each of these items, which are in ascending order, the last of the notes that name it.

    >>> last_of([{"items": "0-5"}, {"items": "3,x,9-"}], [1, 3, 7])
    {1: {'items': '0-5'}, 3: {'items': '3,x,9-'}}
    """
    found: dict[int, Mapping[str, Any]] = {}
    for note in notes:
        for first, last in _bounds(note.get("items")):
            named = items[bisect_left(items, first) : bisect_right(items, last)]
            found.update(dict.fromkeys(named, note))
    return found


def _bounds(items: object) -> Iterator[tuple[int, int]]:
    for part in items.split(",") if isinstance(items, str) else ():
        first, dash, last = part.partition("-")
        last = last if dash else first
        if first.isdecimal() and last.isdecimal() and len(part) <= 2 * LONGEST_NUMBER:
            yield int(first), int(last)
