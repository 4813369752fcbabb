"""The local scheduler's journal: every job as it last was, one JSON line per change.

Appended and synced before anybody is told; rewritten when it has grown. The last line may be torn
by a crash: then nobody was told of it, and it is dropped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from slurm.local.jobs import LIVE, LocalJob, parse_dependency
from slurm.local.state import write_atomic

FORMAT = 1
COMPACT_ABOVE = 1_000_000  # bytes
KEEP_ENDED = 5_000  # jobs


class Journal:
    """The journal in the file `path`; `jobs` is what it said when it was opened.

    The newest job is never dropped, so that no job id is given twice.

    Raises `JournalError` when the file is not one this version can read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.jobs: dict[int, LocalJob] = {}
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        lines = whole.splitlines()
        for number, line in enumerate(lines, 1):
            self._replay(number, line)
        grown = len(whole) > COMPACT_ABOVE and len(lines) > 2 * min(len(self.jobs), KEEP_ENDED)
        if grown or not whole:
            self._rewrite()
        elif len(whole) < len(content):
            os.truncate(path, len(whole))
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def append(self, jobs: Iterable[LocalJob]) -> None:
        """Record these jobs as they are now; on return they survive a crash of the machine."""
        data = b"".join(_line(job.record()) for job in jobs)
        if data:
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
            os.fsync(self._file)

    def _replay(self, number: int, line: bytes) -> None:
        try:
            entry = json.loads(line)
            if "format" in entry:
                known = entry["format"] == FORMAT
            else:
                job = LocalJob(**entry)
                known = True
                self.jobs[job.job_id] = job
        except (ValueError, TypeError, KeyError):
            known = False
        if not known:
            raise JournalError(
                f"{self.path}, line {number}: not written by this version of the SDK; "
                "move the file away to begin with an empty queue"
            )

    def _rewrite(self) -> None:
        live = [job for job in self.jobs.values() if job.state in LIVE]
        needed = {
            job_id
            for job in live
            for _, job_id in parse_dependency(job.options.get("dependency", "")).conditions
        }
        ended = sorted(job_id for job_id, job in self.jobs.items() if job.state not in LIVE)
        for job_id in set(ended[:-KEEP_ENDED]) - needed:
            del self.jobs[job_id]
        lines = [_line({"format": FORMAT})]
        lines += [_line(job.record()) for _, job in sorted(self.jobs.items())]
        write_atomic(self.path, b"".join(lines))


class JournalError(Exception):
    """The journal cannot be read; the message is one line that says where and what to do."""


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"
