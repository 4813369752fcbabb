"""Record files of packed arrays, as runners leave them, for what reads them; nothing is run."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from typing import Any

from slurm.agent.record_frames import EXCEPTION, HERE, IN_DIRECTORY, SHARED, VALUE, encoded
from slurm.job_dir.result import exception_envelope, pack_exception

NOON = 1740830400.0  # 2025-03-01 12:00, in seconds since the epoch


class RecordFile:
    """The content of the record file of one attempt of the array task `job_id`, frame by frame."""

    def __init__(self, job_id: str = "12_0", attempt: int = 1, **shared: Any) -> None:
        self.name = f"{job_id}.{attempt}"
        self.frames: list[bytes] = []
        self.facts = {"job_id": job_id, "attempt": attempt, "node": "c1", "status": "running"}
        self.share(**shared)

    @property
    def content(self) -> bytes:
        return b"".join(self.frames)

    def share(self, **more: Any) -> RecordFile:
        """What the items behind it share."""
        self.facts.update(more)
        return self._add(SHARED, 0, self.facts, b"")

    def value(self, item: int, value: Any, **notes: Any) -> RecordFile:
        """The item returned this."""
        return self._add(VALUE, item, notes, pickle.dumps(value))

    def error(self, item: int, error: Exception) -> RecordFile:
        """The item raised this."""
        notes = {"error": f"{type(error).__name__}: {error}"}
        return self._add(EXCEPTION, item, notes, pack_exception(exception_envelope(error, 1)))

    def elsewhere(self, item: int) -> RecordFile:
        """The item returned what is in its own directory."""
        return self._add(VALUE, item, {}, b"", IN_DIRECTORY)

    def _add(
        self, kind: int, item: int, notes: Mapping[str, Any], body: bytes, place: int = HERE
    ) -> RecordFile:
        times = (NOON + item, NOON + item + 0.25, NOON + item + 0.5)
        offset, text = len(self.content), json.dumps(notes).encode() if notes else b""
        self.frames.append(encoded(kind, place, item, offset, times, text, body))
        return self
