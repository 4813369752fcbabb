"""A scheduler and its files in memory, of any size: what is left to measure is the client alone."""

from __future__ import annotations

import itertools
import posixpath
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from slurm.agent.record_frames import HERE, SHARED, VALUE, encoded
from slurm.api.base import BackendBase
from slurm.api.requests import FilePart, Host, JobRequest, MetadataFiles, Submitted
from slurm.errors import RemoteFileMissing
from slurm.job_dir.item_records import notes_of
from slurm.job_dir.paths import event_name
from slurm.job_dir.result import dump_envelope, value_envelope
from slurm.states import JobState, Observation

TOGETHER = 1000  # events in one answer
RESULT = 7


class InMemory(BackendBase):
    """Takes every job, says that it runs, and has it end with the same result when it is told to."""

    def __init__(self) -> None:
        self.requests: list[JobRequest] = []
        self.state = JobState.RUNNING  # of all jobs
        self.records: dict[str, bytes] = {}  # by the paths of record files
        self._ids = itertools.count(1)
        self._result = dump_envelope(value_envelope(RESULT, 1))
        self._asked: list[str] = []
        self._said: list[Observation] = []
        self._events: dict[str, bytes] = {}
        self._changed = threading.Condition()

    def end(self, tokens: Iterable[str]) -> None:
        """The jobs with these tokens have ended: their events come with their results, some at a time."""
        left = iter(tokens)
        while some := list(itertools.islice(left, TOGETHER)):
            names = [event_name(token, 1, True) for token in some]
            with self._changed:
                self._changed.wait_for(lambda: not self._events)
                self._events.update(dict.fromkeys(names, self._result))
                self._changed.notify_all()

    def leave(self, path: str, body: bytes, items: Iterable[int]) -> None:
        """A packed job has left a record file, in which all of these items have a result with this pickle."""
        job_id = posixpath.basename(path).rpartition(".")[0]
        frames = [encoded(SHARED, notes=notes_of({"job_id": job_id, "attempt": 1}))]
        size = len(frames[0])
        for item in items:
            frames.append(encoded(VALUE, HERE, item, size, (1.0, 1.0, 1.0), body=body))
            size += len(frames[-1])
        self.records = {path: b"".join(frames)}

    @property
    def shares_filesystem(self) -> bool:
        return True

    def host(self) -> Host:
        return Host("/home/me", "me", sys.version_info[:3], sys.executable)

    def submit_jobs(self, requests: Sequence[JobRequest], **where: Any) -> list[Submitted]:
        self.requests = list(requests)
        return [Submitted(str(next(self._ids)), request.job_dir) for request in requests]

    def limits(self) -> Mapping[str, int]:
        return {"max_array_size": 10_000_000}

    def query_jobs(self, job_ids: Sequence[str]) -> list[Observation]:
        if self._asked != [self.state, *job_ids]:
            self._asked = [self.state, *job_ids]
            self._said = [Observation(one, "squeue", self.state) for one in job_ids]
        return self._said

    def query_together(self, words: Sequence[str]) -> list[Observation]:
        return self.query_jobs(words)

    def wait_events(
        self, directory: str, seen: Iterable[str], timeout: float, every: float
    ) -> dict[str, bytes]:
        with self._changed:
            for name in seen:
                self._events.pop(name, None)
            self._changed.notify_all()
            self._changed.wait_for(lambda: bool(self._events), timeout)
            return dict(self._events)

    def read_file(self, path: str) -> bytes:
        if not path.endswith("result.pkl"):
            raise RemoteFileMissing(f"No such file or directory: {path}")
        return self._result

    def read_files(self, paths: Sequence[str]) -> Iterator[bytes | None]:
        own = self._result
        return (self.records.get(path, own if "result.pkl" in path else None) for path in paths)

    def run_program(
        self, argv: Sequence[str], *, input: bytes = b"", timeout: float
    ) -> tuple[int, bytes]:
        return 0, b""

    def read_tail(self, path: str, size: int) -> bytes:
        return self.read_file(path)[-size:]

    def write_file(self, path: str, content: bytes, *, exclusive: bool = False) -> bool:
        return True

    def list_directory(self, path: str) -> list[str]:
        return [name for folder, name in map(posixpath.split, self.records) if folder == path]

    def collect_metadata(self, path: str, most: int) -> MetadataFiles:
        return MetadataFiles(path, 0.0, {})

    def get_queue(self) -> list[Mapping[str, Any]]:
        return []

    def get_cluster_info(self) -> Mapping[str, Any]:
        return {}

    def make_directory(self, path: str) -> str:
        return path

    def file_exists(self, path: str) -> bool:
        return True

    def assemble_file(self, path: str, parts: Sequence[FilePart]) -> None:
        """It is not kept."""

    def note_ends(self, ends: Sequence[Mapping[str, str]]) -> None:
        """They are not kept."""

    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        """They go on."""

    def remove(self, path: str) -> None:
        """There is nothing."""

    def close(self) -> None:
        with self._changed:
            self._events["closed"] = b""
            self._changed.notify_all()
