"""What the items of packed arrays leave in record files: their results, and what ``metadata.json`` has of other jobs.

The frames themselves are `slurm.agent.record_frames`, and which files count `slurm.agent.record_files`. The body of a value
is its pickle; that of an exception is what stands in ``result.pkl`` before the checksum. What is large, and all that was to
be in a directory of the item's own, has its result file there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from slurm.agent.record_files import BEFORE, record_name, shared_in
from slurm.agent.record_frames import (
    EXCEPTION,
    HERE,
    IN_DIRECTORY,
    SHARED,
    VALUE,
    Frame,
)
from slurm.errors import ResultCorrupted
from slurm.job_dir.metadata import rfc3339
from slurm.job_dir.result import Envelope, unpack_exception

STATUS = {VALUE: "completed", EXCEPTION: "failed"}
_UNTOLD = ("main", BEFORE)  # of what is shared, what no metadata has


class ItemRecord(NamedTuple):
    """What one item has come to: its `frame`, and what it shares with the items beside it."""

    frame: Frame
    shared: Mapping[str, Any]

    @property
    def file(self) -> str:
        """The name of the record file in which it stands."""
        return record_name(str(self.shared.get("job_id")), self._attempt)

    @property
    def _attempt(self) -> int:
        return int(self.shared.get("attempt") or 1)

    @property
    def item(self) -> int:
        """The item's index in its array."""
        return self.frame.item

    @property
    def successful(self) -> bool:
        """Whether the task returned."""
        return self.frame.kind == VALUE

    @property
    def has_result(self) -> bool:
        """Whether its result is here, as it was written or not."""
        return self.frame.place == HERE

    @property
    def is_in_directory(self) -> bool:
        """Whether its result is in its own directory."""
        return self.frame.place == IN_DIRECTORY

    @property
    def place(self) -> tuple[int, int]:
        """Where in its file the result begins, and how long it is."""
        return self.frame.end - self.frame.size, self.frame.size

    @property
    def notes(self) -> dict[str, Any]:
        """What of its metadata is its own: ``error``, of the first of an attempt ``launched_at``."""
        return shared_in(self.frame)

    def envelope(self) -> Envelope:
        """Its result. Raises `ResultCorrupted` where that is not as it was written."""
        frame, shared = self.frame, self.shared
        if not frame.whole:
            raise ResultCorrupted(
                f"the result of item {frame.item} in {self.file} was altered: its checksum does not match"
            )
        if frame.kind == EXCEPTION:
            return unpack_exception(frame.body, self.file)
        return Envelope(
            "value",
            frame.body,
            self._attempt,
            str(shared.get("python_version") or ""),
            main=str(shared.get("main") or ""),
        )

    def metadata(self, array: Mapping[str, Any], token: str) -> dict[str, Any]:
        """What the item's ``metadata.json`` would hold; `array` is what it takes over from the array's, and `token` the array's."""
        began, called, ended = self.frame.times
        return {
            **array,
            **facts_in(self.shared),
            "token": f"{token}_{self.item}",
            "array_index": self.item,
            "status": STATUS[self.frame.kind],
            "started_at": moment(began),
            "called_at": moment(called),
            "completed_at": moment(ended),
            **self.notes,
        }


def moment(epoch: float) -> str | None:
    """A time of a frame as metadata has it; None for none, whatever stands there.

    >>> moment(0.5), moment(0.0), moment(float("nan"))
    ('1970-01-01T00:00:00.500000+00:00', None, None)
    """
    try:
        return rfc3339(epoch) if epoch else None
    except (ValueError, OverflowError, OSError):
        return None


def facts_in(shared: Mapping[str, Any]) -> dict[str, Any]:
    """What of it belongs into the metadata of each item."""
    return {key: value for key, value in shared.items() if key not in _UNTOLD}


class Records:
    """Puts frames together with what they share, in the order in which they stand in each file."""

    def __init__(self) -> None:
        self.shared: dict[
            str, Mapping[str, Any]
        ] = {}  # by the names of files: what the last of its items share

    def of(self, file: str, frames: Iterable[Frame]) -> Iterator[ItemRecord]:
        """The items whose frames are next in that file; each as it was there first is what counts."""
        for frame in frames:
            if frame.kind == SHARED:
                self.shared[file] = {**shared_in(frame), "started_at": moment(frame.times[0])}
            elif frame.kind in STATUS:
                yield ItemRecord(frame, self.shared.get(file, {}))


def notes_of(content: Mapping[str, Any]) -> bytes:
    """The notes of a frame."""
    return json.dumps(content, separators=(",", ":")).encode() if content else b""
