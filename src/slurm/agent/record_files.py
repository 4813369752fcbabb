"""The record files of an array: which of them count, and which of their frames are asked for.

Each array task has a file of its own for each attempt, so that an attempt which goes on where nobody hears of it never
writes to that of its successor: ``<job id>.<attempt>``. What is shared in the first frame of one says up to where those of
the attempts before count: as far as it had read them, to leave out what had a result.
"""

import json
import os
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from .record_frames import SHARED, Frame, read_frames
from .regular_files import open_regular

BEFORE = "before"  # the key of the first frame's notes for that

Open = Callable[[str], Any]


class RecordFile(NamedTuple):
    """A record file by its `name`, of the array task whose id is `job`; its frames count up to `limit`, None for all."""

    name: str
    job: str
    attempt: int
    limit: Optional[int] = None


def record_name(job: str, attempt: int) -> str:
    """The name of the record file of an array task's attempt.

    >>> record_name("12_3", 1)
    '12_3.1'
    """
    return "{}.{}".format(job, attempt)


def in_folder(folder: str) -> Open:
    """How to open a record file there. What is no file of bytes is an OSError."""
    return lambda name: open_regular(os.path.join(folder, name))


def counting(names: List[str], opened: Open, jobs: Optional[Set[str]] = None) -> List[RecordFile]:
    """The record files among `names`, in the order of array tasks and attempts, with their limits.

    Of the array tasks with the ids `jobs` alone, if that is given.
    """
    attempts: Dict[str, List[RecordFile]] = {}
    for name in names:
        job, _, attempt = name.rpartition(".")
        if job and attempt.isdigit() and job[0] != "." and (jobs is None or job in jobs):
            attempts.setdefault(job, []).append(RecordFile(name, job, int(attempt)))
    return [
        one
        for job in sorted(attempts, key=_order)
        for one in _limited(sorted(attempts[job], key=lambda file: file.attempt), opened)
    ]


def _order(job: str) -> Tuple[List[int], str]:
    return [int(part) for part in job.split("_") if part.isdigit()], job


def _limited(attempts: List[RecordFile], opened: Open) -> List[RecordFile]:
    """The attempts of one array task, the newest last: that one says how much of the others counts."""
    newest = len(attempts) - 1
    while newest > 0:
        known = _before(attempts[newest].name, opened)
        if known is not None:
            earlier = [one._replace(limit=known.get(one.name, 0)) for one in attempts[:newest]]
            return earlier + attempts[newest:]
        newest -= 1  # it has not begun
    return attempts


def _before(name: str, opened: Open) -> Optional[Dict[str, int]]:
    with opened(name) as file:
        first = next(read_frames(file, bodies=False), None)
    if first is None or first.kind != SHARED:
        return None
    known = shared_in(first).get(BEFORE)
    return known if isinstance(known, dict) else {}


def shared_in(frame: Frame) -> Dict[str, Any]:
    """What a frame says in its notes; nothing where that is damaged."""
    try:
        content = json.loads(frame.notes.decode("utf-8")) if frame.whole and frame.notes else {}
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


class Wanted(NamedTuple):
    """What is asked of record files: the frames of `items`, None for all, with or without `bodies`.

    `after` says from where on, by the names of files; `most` how many bytes at once.
    """

    items: Optional[Set[int]]
    after: Dict[str, int]
    bodies: bool
    most: int


class Part(NamedTuple):
    """What was found of it: for each file its name, the bytes of its frames, and where to go on in it."""

    files: List[Tuple[str, int, int]]
    data: bytes
    complete: bool


def wanted_part(files: List[RecordFile], opened: Open, wanted: Wanted) -> Part:
    """The frames that are wanted, as many as may be had at once, at least one; what items share is always among them.

    Nothing is looked at behind the last item that is wanted, nor the bodies of others.
    """
    found: List[Tuple[str, int, int]] = []
    parts: List[bytes] = []
    room = wanted.most
    left = set(wanted.items or ())
    for one in files:
        length = 0
        at = wanted.after.get(one.name, 0)
        for frame in _frames(one, opened, at, wanted.bodies, wanted.items):
            if frame.kind == SHARED or wanted.items is None or frame.item in wanted.items:
                data = frame.encoded(wanted.bodies)
                if parts and room < len(data):
                    found.append((one.name, length, at))
                    return Part(found, b"".join(parts), False)
                parts.append(data)
                length += len(data)
                room -= len(data)
            at = frame.end
            if frame.kind != SHARED and frame.item in left:
                left.remove(frame.item)
                if not left:
                    found.append((one.name, length, at))
                    return Part(found, b"".join(parts), True)
        found.append((one.name, length, at))
    return Part(found, b"".join(parts), True)


def _frames(
    one: RecordFile, opened: Open, start: int, bodies: bool, items: Optional[Set[int]] = None
) -> Iterator[Frame]:
    with opened(one.name) as file:
        for frame in read_frames(file, start, one.limit, bodies, items):
            yield frame


def recorded_items(folder: str) -> Iterator[int]:
    """The items that have left something in the record files there; none where there is no such directory."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    opened = in_folder(folder)
    for one in counting(names, opened):
        for frame in _frames(one, opened, 0, bodies=False):
            if frame.kind != SHARED:
                yield frame.item
