"""Parts of record files: as an agent's answers have them, and as any backend can find them that reads whole files."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import BinaryIO

from slurm.agent.record_files import Wanted, counting, wanted_part
from slurm.api.requests import RecordPart


def parts_in(files: Iterable[tuple[str, int, int]], data: bytes) -> Iterator[RecordPart]:
    """The parts in an answer: for each file its name, how many bytes of `data` are its frames, and where they end in it."""
    offset = 0
    for name, length, end in files:
        yield RecordPart(name, data[offset : offset + length], end)
        offset += length


def parts_of(
    files: Mapping[str, bytes],
    jobs: Collection[str] | None,
    items: Collection[int] | None,
    after: Mapping[str, int],
    bodies: bool,
    most: int | None,
) -> Iterator[RecordPart]:
    """What is wanted of these files, by their names; see `BackendBase.read_records`."""

    def opened(name: str) -> BinaryIO:
        return io.BytesIO(files[name])

    counted = counting(list(files), opened, None if jobs is None else set(jobs))
    room = sum(map(len, files.values())) if most is None else most
    wanted = Wanted(None if items is None else set(items), dict(after), bodies, room)
    part = wanted_part(counted, opened, wanted)
    yield from parts_in(part.files, part.data)
