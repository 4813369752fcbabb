"""The local scheduler's journal: every submission, and its jobs as they last were, a JSON line each.

Appended and synced before anybody is told; rewritten when it has grown. The last line may be torn
by a crash: then nobody was told of it, and it is dropped. What else is damaged is set aside.

On Linux the disk keeps room behind its end, so that what becomes of the jobs that run can be written
down when there is room for nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

from slurm.agent.files import sync_folder, write_atomic
from slurm.agent.regular_files import open_regular
from slurm.local.jobs import JobSpec, LocalJob
from slurm.local.linux_calls import keep_room
from slurm.local.replay import FORMAT, LaterFormat, Replay

REWRITE_ABOVE = 1_000_000  # bytes
ROOM = 1 << 16  # bytes; for some hundred changes


class Journal:
    """The journal in the file `path`; `said` is what it said when it was opened, its `submissions` and `jobs` above all.

    `problem` tells what was damaged, nothing where nothing was, and the damaged file stays beside the journal.
    Raises `JournalError` for one of a later version, and OSError.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.said: Replay = Replay()
        self.problem: str = ""
        content = self._content()
        end = content.rfind(b"\n") + 1
        try:
            for line in content[:end].splitlines():
                self.said.read(line)
        except LaterFormat as error:
            raise JournalError(
                f"{path}, line {self.said.lines}: {error}: not written by this version of the SDK; "
                "use the newer one, or move the file away to begin with an empty queue"
            ) from None
        if self.said.damaged:
            lines = ", ".join(map(str, self.said.damaged[:5]))
            self._set_aside(f"{path}, line {lines}: cannot be read")
        self._format, self._fewest = self.said.format, self.said.fewest
        self._lines, self._size = self.said.lines, end
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if len(content) > end:  # not cut off: a full disk would not give the room again
            os.pwrite(self._file, b" " * (len(content) - end), end)
        self._room = 0
        self._make_room()

    @property
    def submissions(self) -> dict[int, JobSpec]:
        """The submissions that it told of when it was opened."""
        return self.said.submissions

    @property
    def jobs(self) -> dict[int, LocalJob]:
        """The jobs that it told of when it was opened, as they last were."""
        return self.said.jobs

    def _content(self) -> bytes:
        """What is in the file; one that is none is set aside."""
        try:
            with open_regular(self.path) as file:
                content: bytes = file.read()
                return content
        except FileNotFoundError:
            return b""
        except OSError as error:
            self._set_aside(f"{self.path}: cannot be read: {error.strerror}")
            os.rename(self.path, self._aside)
            return b""

    def _set_aside(self, problem: str) -> None:
        self._aside = f"{self.path}.damaged-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
        self.problem = f"{problem}; it is kept as {self._aside}"
        # The copy is for people, and there may be no room for it.
        with contextlib.suppress(OSError), open_regular(self.path) as file:
            write_atomic(self._aside, file.read())

    @property
    def outdated(self) -> bool:
        """Whether it should be rewritten: it is of an older format, or damaged, or has grown too much."""
        grown = self._lines > 2 * self._fewest and self._size > REWRITE_ABOVE
        return grown or self._format != FORMAT or bool(self.problem)

    def append(self, submissions: Iterable[JobSpec], jobs: Iterable[LocalJob]) -> None:
        """Record these as they are now; on return they survive a crash of the machine."""
        lines = _lines(submissions, jobs)
        if lines:
            data = b"".join(lines)
            written = 0
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self._size + written)
            os.fsync(self._file)
            self._size += len(data)
            self._lines += len(lines)
            self._make_room()

    def rewrite(self, submissions: Iterable[JobSpec], jobs: Iterable[LocalJob]) -> None:
        """Replace all that the journal says."""
        changed = (job for job in jobs if len(job.record()) > 1)
        lines = _lines(submissions, changed)
        data = b"".join([_line({"format": FORMAT, "lines": len(lines)}), *lines])
        write_atomic(self.path, data)
        sync_folder(os.path.dirname(self.path))
        os.close(self._file)
        self._file = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        self._lines = self._fewest = len(lines)
        self._size, self._room = len(data), 0
        self._format, self.problem = FORMAT, ""
        self._make_room()

    def _make_room(self) -> None:
        if self._room - self._size < ROOM // 2:
            keep_room(self._file, self._size, ROOM)  # else what there is has to do
            self._room = self._size + ROOM


class JournalError(Exception):
    """The journal is none of this version's; the message is one line that says where and what to do."""


def _lines(submissions: Iterable[JobSpec], jobs: Iterable[LocalJob]) -> list[bytes]:
    lines = [_line({"submission": submission.record()}) for submission in submissions]
    return lines + [_line(job.record()) for job in jobs]


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"
