"""``results/aggregated.pkl``: the results of an array as one pickled list, put together on the cluster."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from slurm.errors import RemoteFileError
from slurm.job_dir.paths import ArrayDirectory

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.api.requests import FilePart
    from slurm.job_dir.result import Outcome
    from slurm.tracking.record import JobRecord

logger: logging.Logger = logging.getLogger(__name__)

LARGEST = 1 << 30  # bytes; whoever has more has it in the result files

# A pickle is a program: a mark, for each item "call pickle.loads with these bytes", a list of all.
HEAD = b"\x80\x05("
CALL, BYTES, APPLY = b"cpickle\nloads\n", b"\x8e", b"\x85R"
TAIL = b"l."


def write_aggregated(
    backend: BackendBase, directory: ArrayDirectory, done: Iterable[tuple[JobRecord, Outcome]]
) -> None:
    """Put the values of all items into one file, without sending them to and fro.

    What cannot be written is logged: the results themselves have been had.
    """
    found = [outcome.place for _, outcome in done]
    places = [place for place in found if place is not None]
    if len(places) < len(found):
        return  # an older SDK wrote them
    if sum(length for _, _, length in places) > LARGEST:
        logger.info("%s is not written: more than %s bytes", directory.aggregated, LARGEST)
        return
    try:
        backend.assemble_file(directory.aggregated, list(_parts(places)))
    except RemoteFileError as error:
        logger.warning("%s is not written: %s", directory.aggregated, error)


def _parts(places: Iterable[tuple[str, int, int]]) -> Iterator[FilePart]:
    yield HEAD
    for path, offset, length in places:
        yield CALL + BYTES + struct.pack("<Q", length)
        yield path, offset, length
        yield APPLY
    yield TAIL
