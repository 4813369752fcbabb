"""What the event of a runner says: of a job that it has ended, or of several items of a packed array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Union

from slurm.agent.record_frames import frames_of
from slurm.job_dir.item_records import ItemRecord, Records
from slurm.job_dir.paths import parse_event, parse_group_event

Result = Union[bytes, ItemRecord]  # the content of a result file, or an item's record


class End(NamedTuple):
    """The job with this token has ended; `result` is there where it was small."""

    token: str
    success: bool
    result: Result | None


def ends_in(name: str, content: bytes) -> Iterator[End]:
    """The ends that the event file `name` tells of; none where it is no event.

    >>> list(ends_in("c0ffee.1.ok", b""))
    [End(token='c0ffee', success=True, result=None)]
    """
    one = parse_event(name)
    if one is not None:
        yield End(*one, content or None)
        return
    token = parse_group_event(name)
    if token is not None:
        for record in Records().of(name, frames_of(content)):
            result = record if record.has_result else None
            yield End(f"{token}_{record.item}", record.successful, result)
