"""The local scheduler's journal: every submission, and its jobs as they last were, a JSON line each.

Appended and synced before anybody is told; rewritten when it has grown. The last line may be torn
by a crash: then nobody was told of it, and it is dropped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from slurm.agent.files import write_atomic
from slurm.local.jobs import CHANGING, JobSpec, LocalJob

FORMAT = 2
REWRITE_ABOVE = 1_000_000  # bytes
# In format 1 a line was a job with all that its submission said.
READABLE = (1, FORMAT)


class Journal:
    """The journal in the file `path`; `submissions` and `jobs` are what it said when it was opened.

    Raises `JournalError` when the file is not one this version can read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.submissions: dict[int, JobSpec] = {}
        self.jobs: dict[int, LocalJob] = {}
        self._format = 0
        self._fewest = 0  # lines right after it was rewritten
        self._lines = 0
        content = _content(path)
        whole = content[: content.rfind(b"\n") + 1]
        for line in whole.splitlines():
            self._lines += 1
            self._replay(line)
        if len(whole) < len(content):
            os.truncate(path, len(whole))
        self._size = len(whole)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @property
    def outdated(self) -> bool:
        """Whether it should be rewritten: it is of an older format, or has grown too much."""
        grown = self._lines > 2 * self._fewest and self._size > REWRITE_ABOVE
        return grown or self._format != FORMAT

    def append(self, submissions: Iterable[JobSpec], jobs: Iterable[LocalJob]) -> None:
        """Record these as they are now; on return they survive a crash of the machine."""
        lines = _lines(submissions, jobs)
        if lines:
            data = b"".join(lines)
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
            os.fsync(self._file)
            self._size += len(data)
            self._lines += len(lines)

    def rewrite(self, submissions: Iterable[JobSpec], jobs: Iterable[LocalJob]) -> None:
        """Replace all that the journal says."""
        changed = (job for job in jobs if len(job.record()) > 1)
        lines = _lines(submissions, changed)
        self._lines = self._fewest = len(lines)
        data = b"".join([_line({"format": FORMAT, "lines": len(lines)}), *lines])
        write_atomic(self.path, data)
        os.close(self._file)
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._size, self._format = len(data), FORMAT

    def _replay(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
            if "format" in entry:
                self._format, self._fewest = entry["format"], entry.get("lines", 0)
            elif "submission" in entry:
                self._submitted(JobSpec.from_record(entry["submission"]))
            elif "job" in entry:
                self.jobs[entry["job"]] = self.jobs[entry["job"]].changed_by(entry)
            else:
                self._replay_format_1(entry)
            known = self._format in READABLE
        except (ValueError, TypeError, KeyError, AttributeError):
            known = False
        if not known:
            raise JournalError(
                f"{self.path}, line {self._lines}: not written by this version of the SDK; "
                "move the file away to begin with an empty queue"
            )

    def _submitted(self, submission: JobSpec) -> None:
        self.submissions[submission.job_id] = submission
        self.jobs.update({job.job_id: job for job in submission.jobs()})

    def _replay_format_1(self, entry: Mapping[str, Any]) -> None:
        known = {name: value for name, value in entry.items() if name in JobSpec._fields}
        self._submitted(JobSpec.from_record(known))
        happened = {name: value for name, value in entry.items() if name in CHANGING}
        self.jobs[entry["job_id"]] = self.jobs[entry["job_id"]].changed_by(happened)


class JournalError(Exception):
    """The journal cannot be read; the message is one line that says where and what to do."""


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _lines(submissions: Iterable[JobSpec], jobs: Iterable[LocalJob]) -> list[bytes]:
    lines = [_line({"submission": submission.record()}) for submission in submissions]
    return lines + [_line(job.record()) for job in jobs]


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"
