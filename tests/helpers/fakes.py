"""Fakes that tests share; each says of itself that it is one."""

from __future__ import annotations

import json
import shlex
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from slurm import Cluster
from slurm.api.base import BackendBase
from slurm.api.requests import FilePart, Host, JobRequest, MetadataFiles, Progress, Submitted
from slurm.api.transfers import Content
from slurm.errors import RemoteFileMissing, SlurmError
from slurm.job import Job
from slurm.job_dir.paths import event_name
from slurm.job_dir.result import dump_envelope, exception_envelope, value_envelope
from slurm.states import JobState, Observation
from slurm.submit.calls import call_of
from slurm.tracking.record import ArrayElement
from slurm.tracking.tracker import Tracker
from slurm.tracking.upstream import Dependency

DEADLINE = 60.0  # seconds after which a test that waits for something gives up


def assert_ended(threads: set[threading.Thread]) -> None:
    """Threads that read a pipe end a moment after the pipe does."""
    for thread in threads:
        thread.join(DEADLINE)
    assert not [thread for thread in threads if thread.is_alive()]


# What sacct says on a site that keeps no accounts.
NO_ACCOUNTING = "echo 'Slurm accounting storage is disabled' >&2; exit 1"


class Programs:
    """Fake programs, found before the real ones. They are shell scripts and note how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def add(self, name: str, script: str) -> None:
        """A program `name` that runs `script` with sh; ``$HERE`` is a folder of its own use."""
        here = shlex.quote(str(self.folder))
        note = f'HERE={here}\nfor a in "$0" "$@"; do printf \'%s\\0\' "$a"; done >> {here}/{name}.calls\n'
        note += f"printf '\\n' >> {here}/{name}.calls\n"
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{note}{script}\n")
        path.chmod(0o755)

    def calls(self, name: str) -> list[list[str]]:
        """The arguments of every call of `name` so far."""
        log = self.folder / f"{name}.calls"
        lines = log.read_text().split("\0\n")[:-1] if log.exists() else []
        return [line.split("\0")[1:] for line in lines]


class FakeBackend(BackendBase):
    """A scheduler and its files in memory. It is a fake: it says what a test has it say, and runs nothing."""

    def __init__(self) -> None:
        self.requests: list[JobRequest] = []
        self.submissions: list[list[JobRequest]] = []  # those that came together
        self.submit_error: BaseException | None = None
        self.refused: set[str] = set()  # tasks; empty for all
        self.queries: list[list[str]] = []
        self.listened = 0
        self.cancelled: list[str] = []
        self.usage: Callable[[Sequence[str]], list[Mapping[str, str]]] = super().query_usage
        self.usage_queries: list[list[str]] = []
        self.reads: list[list[str]] = []
        self.programs: list[list[str]] = []
        self.program_answer = (0, b"")
        self.answer_program: Callable[[Sequence[str], bytes], tuple[int, bytes]] | None = None
        self.copies: dict[str, list[str]] = {}
        self.max_array_size = 1001
        self.refuse_from = 0
        self.said: dict[str, Observation] = {}
        self.files: dict[str, bytes] = {}
        self.removed: set[str] = set()  # directories of jobs
        self.refusal: SlurmError | None = None
        self.query_error: SlurmError | None = None
        self.ends: list[dict[str, str]] = []
        self.collected: list[str] = []
        self.note_error: SlurmError | None = None
        self.listen_error: Callable[[int], SlurmError | None] = lambda count: None
        self.python = sys.version_info[:3]
        self.pushes = False  # whether the news of an end bring the result
        self._events: dict[str, bytes] = {}
        self._closed = 0
        self._changed = threading.Condition()

    # What a test does

    def say(self, job_id: str, state: str, *, source: str = "squeue", **more: Any) -> None:
        """From now on the scheduler says this of the job."""
        self.said[job_id] = Observation(job_id, source, JobState(state), **more)

    def finish(self, job: Job[Any], value: Any = None) -> None:
        """The job's runner leaves a result and its event."""
        envelope = (
            exception_envelope(value, 1)
            if isinstance(value, Exception)
            else value_envelope(value, 1)
        )
        self.files[job.directory.result] = dump_envelope(envelope)
        news = self.files[job.directory.result] if self.pushes else b""
        [record] = job.records
        self.tell(event_name(record.token, 1, envelope.kind == "value"), news)

    def tell(self, event: str, content: bytes = b"") -> None:
        """A file appears in the event directory."""
        with self._changed:
            self._events[event] = content
            self._changed.notify_all()

    def pending_events(self) -> set[str]:
        """The events that the client has not seen yet."""
        with self._changed:
            return set(self._events)

    def wait_until(self, happened: Callable[[], bool]) -> None:
        """Wait for something that comes with a question to this backend."""
        with self._changed:
            assert self._changed.wait_for(happened, DEADLINE)

    # What a backend does

    @property
    def shares_filesystem(self) -> bool:
        return True

    def host(self) -> Host:
        return Host("/home/me", "me", self.python, sys.executable)

    def submit_jobs(self, requests: Sequence[JobRequest], **where: Any) -> list[Submitted]:
        self.submissions.append(list(requests))
        if self.submit_error is not None:
            raise self.submit_error
        return [self._submit(request) for request in requests]

    def _submit(self, request: JobRequest) -> Submitted:
        self.requests.append(request)
        named = not self.refused or request.options["job-name"] in self.refused
        if self.refusal is not None and named and len(self.requests) >= self.refuse_from:
            return Submitted(error=self.refusal)
        return Submitted(str(len(self.requests)), request.job_dir)

    def limits(self) -> Mapping[str, int]:
        return {"max_array_size": self.max_array_size}

    def read_files(self, paths: Sequence[str]) -> Iterator[bytes | None]:
        self.reads.append(list(paths))
        return iter([self.files.get(path) for path in paths])

    def assemble_file(self, path: str, parts: Sequence[FilePart]) -> None:
        self.files[path] = b"".join(
            part if isinstance(part, bytes) else self.files[part[0]][part[1] : part[1] + part[2]]
            for part in parts
        )

    def query_jobs(self, job_ids: Sequence[str]) -> list[Observation]:
        with self._changed:
            # Whoever waits for this query may change what the next one is told, and not this one's answer.
            answer = [self.said.get(job_id) or Observation(job_id, "absent") for job_id in job_ids]
            self.queries.append(list(job_ids))
            self._changed.notify_all()
        if self.query_error is not None:
            raise self.query_error
        return answer

    def query_usage(self, job_ids: Sequence[str]) -> list[Mapping[str, str]]:
        self.usage_queries.append(list(job_ids))
        return self.usage(job_ids)

    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        self.cancelled += job_ids

    def wait_events(
        self, directory: str, seen: Iterable[str], timeout: float, every: float
    ) -> dict[str, bytes]:
        with self._changed:
            self.listened += 1
            self._changed.notify_all()
            error = self.listen_error(self.listened)
            if error is not None:
                raise error
            for event in seen:
                self._events.pop(event, None)
            closed = self._closed
            self._changed.wait_for(lambda: bool(self._events) or self._closed > closed, timeout)
            return dict(self._events)

    def get_queue(self) -> list[Mapping[str, Any]]:
        return []

    def get_cluster_info(self) -> Mapping[str, Any]:
        return {"partitions": []}

    def run_program(
        self, argv: Sequence[str], *, input: bytes = b"", timeout: float
    ) -> tuple[int, bytes]:
        self.programs.append(list(argv))
        return self.answer_program(argv, input) if self.answer_program else self.program_answer

    def copy_files(
        self,
        place: str,
        store: str,
        listed: bytes = b"",
        contents: Sequence[tuple[str, int]] = (),
        packed: Content = b"",
        *,
        progress: Progress | None = None,
    ) -> Mapping[str, Any]:
        """A copy is there once its files were listed, by their names; what is in them is not looked at."""
        if listed:
            self.copies[place] = [row[0] for row in json.loads(zlib.decompress(listed))]
        return {"ready": place in self.copies}

    def read_file(self, path: str) -> bytes:
        if path not in self.files:
            raise RemoteFileMissing(f"No such file or directory: {path}")
        return self.files[path]

    def read_tail(self, path: str, size: int) -> bytes:
        return self.read_file(path)[-size:]

    def write_file(self, path: str, content: bytes, *, exclusive: bool = False) -> bool:
        if exclusive and path in self.files:
            return False
        self.files[path] = content
        return True

    def list_directory(self, path: str) -> list[str]:
        return sorted({p[len(path) + 1 :].split("/")[0] for p in self.files if p.startswith(path)})

    def collect_metadata(self, path: str, most: int) -> MetadataFiles:
        self.collected.append(path)
        names = [name for name in self.files if name.startswith(path + "/")]
        files = {
            name[len(path) + 1 :]: self.files[name]
            for name in names
            if "metadata" in name or name.endswith("ended.jsonl")
        }
        return MetadataFiles(path, 0.0, files)

    def note_ends(self, ends: Sequence[Mapping[str, str]]) -> None:
        with self._changed:
            self.ends += [dict(end) for end in ends]
            self._changed.notify_all()
        if self.note_error is not None:
            raise self.note_error

    def make_directory(self, path: str) -> str:
        return path

    def file_exists(self, path: str) -> bool:
        is_home = path in {one.job_dir for one in self.requests}
        return path in self.files or (is_home and path not in self.removed)

    def remove(self, path: str) -> None:
        self.files.pop(path, None)

    def close(self) -> None:
        """End every wait for events: those that go on now, by the number, and the next, by an event that one of them may take."""
        self._closed += 1
        self.tell("closed")


def job_of(
    cluster: Cluster,
    id: str,
    *,
    task_name: str = "train",
    job_dir: str = "",
    token: str = "",
    dependencies: Sequence[Job[Any]] = (),
    element: ArrayElement | None = None,
) -> Job[Any]:
    """A job that nobody watches, with the directory ``/jobs/<id>`` unless that is said."""
    record = cluster.submitter.record(
        task_name=task_name,
        token=token or f"t{id}",
        submission=Submitted(id, job_dir or f"/jobs/{id}"),
        waits_for=[Dependency(job) for job in dependencies],
        element=element,
    )
    job: Job[Any] = cluster.submitter.job_of(record)
    return job


def job_on(cluster: Cluster, id: str, *dependencies: Job[Any], token: str = "") -> Job[Any]:
    """A job with the directory ``/jobs/<id>`` that the cluster's tracker watches."""
    job = job_of(cluster, id, token=token, dependencies=dependencies)
    cluster.operations.watch(job.records)
    return job


def tracker_of(cluster: Cluster) -> Tracker:
    """What watches the jobs of a cluster."""
    return cluster.operations.tracker


def request_of(cluster: Cluster, task: Any, /, *args: Any, **kwargs: Any) -> JobRequest:
    """What calling `task` would hand to the backend, its code packaged as for a submission."""
    return cluster.submitter.prepare(call_of(task, args, kwargs)).requests[0]
