"""A backend that asks an agent: in this process or at the other end of a connection."""

from __future__ import annotations

import abc
import functools
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from slurm import errors
from slurm.api.agent import UNSENT
from slurm.api.base import (
    Archive,
    BackendBase,
    FilePart,
    Host,
    JobRequest,
    MetadataFiles,
    Submitted,
)
from slurm.states import Observation, parse_state

CHUNK = 16 << 20  # bytes of a file in one answer

ERROR_OF_KIND: Mapping[str, type[errors.SlurmError]] = {
    "file": errors.RemoteFileError,
    "missing": errors.RemoteFileMissing,
    "unreachable": errors.SchedulerUnreachable,
    "scheduler": errors.SchedulerUnreachable,
    "refused": errors.SubmissionRefused,
    "unknown": errors.SubmissionUnknown,
}


def require_memory(path: str, size: int) -> None:
    """Raise `FileTooLarge` if `size` bytes of `path` cannot be held here; what may be is not touched."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):  # it does not tell
        machine = size
    try:
        if size > machine:
            raise MemoryError
        bytearray(size + CHUNK)
    except MemoryError:
        raise _too_large(path, size) from None


def _too_large(path: str, size: int) -> errors.FileTooLarge:
    what = f"{path}: {size} bytes are more than this process has memory for"
    return errors.FileTooLarge(what, size=size)


def error_of(kind: str, message: str) -> errors.SlurmError:
    """The exception for what an agent reported."""
    return ERROR_OF_KIND.get(kind, errors.SlurmError)(message)


class AgentBackend(BackendBase):
    """Everything but how a request reaches the agent, which is `request`."""

    @abc.abstractmethod
    def request(self, op: str, params: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        """Have the agent answer one request; raises what `error_of` makes of its refusal."""

    def _ask(self, op: str, **params: Any) -> Any:
        return self.request(op, params)[0]

    def host(self) -> Host:
        return self._host

    @functools.cached_property
    def _host(self) -> Host:
        said = self._ask("hello")
        major, minor, micro = said["python"]
        return Host(said["home"], said["user"], (major, minor, micro), said["executable"])

    def submit_jobs(
        self, requests: Sequence[JobRequest], *, base: str, events: str, archive: Archive
    ) -> list[Submitted]:
        entries, blob = _pack(requests)
        params = {
            "base": base,
            "needs": archive.directory,
            "events": events,
            "requests": entries,
        }
        answer, _ = self.request("submit", params, blob)
        if "needs" in answer:
            self.request("install", {"directory": archive.directory}, archive.content)
            answer, _ = self.request("submit", params, blob)
        return [_submitted(entry) for entry in answer["jobs"]]

    def limits(self) -> Mapping[str, int]:
        return self._limits

    @functools.cached_property
    def _limits(self) -> Mapping[str, int]:
        limits: Mapping[str, int] = self._ask("limits")
        return limits

    def query_jobs(self, job_ids: Sequence[str]) -> list[Observation]:
        found = {
            row["job_id"]: _observation(row) for row in self._ask("query", job_ids=list(job_ids))
        }
        return [found.get(job_id) or Observation(job_id, "absent") for job_id in job_ids]

    def query_usage(self, job_ids: Sequence[str]) -> list[Mapping[str, str]]:
        return list(self._ask("usage", job_ids=list(job_ids)))

    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        self._ask("cancel", job_ids=list(job_ids))

    def wait_events(
        self, directory: str, seen: Sequence[str], timeout: float, every: float
    ) -> list[str]:
        params = {"directory": directory, "seen": list(seen), "timeout": timeout, "every": every}
        return list(self.request("events", params)[0])

    def get_queue(self) -> list[Mapping[str, Any]]:
        return list(self._ask("queue"))

    def get_cluster_info(self) -> Mapping[str, Any]:
        info: Mapping[str, Any] = self._ask("info")
        return info

    def run_program(
        self, argv: Sequence[str], *, input: bytes = b"", timeout: float
    ) -> tuple[int, bytes]:
        status, output = self.request("run", {"argv": list(argv), "timeout": timeout}, input)
        return int(status), output

    def read_file(self, path: str) -> bytes:
        about, data = self.request("read", {"path": path, "size": CHUNK})
        if about["size"] <= len(data):
            return data
        require_memory(path, about["size"])
        try:
            return self._read_in_parts(path, about, data)
        except MemoryError:
            raise _too_large(path, about["size"]) from None

    def _read_in_parts(self, path: str, about: Mapping[str, int], first: bytes) -> bytes:
        content = io.BytesIO()
        content.write(first)
        while content.tell() < about["size"]:
            params = {"path": path, "offset": content.tell(), "size": CHUNK}
            now, data = self.request("read", params)
            if not data or now["inode"] != about["inode"]:
                raise errors.RemoteFileError(f"{path} was replaced while it was read")
            content.write(data)
        return content.getvalue()

    def read_files(self, paths: Sequence[str]) -> Iterator[bytes | None]:
        left = list(paths)
        while left:
            lengths, blob = self.request("read_many", {"paths": left})
            offset = 0
            for path, length in zip(left, lengths):
                if length == UNSENT:
                    yield self.read_file(path)
                    continue
                yield None if length is None else blob[offset : offset + length]
                offset += length or 0
            left = left[len(lengths) :]

    def assemble_file(self, path: str, parts: Sequence[FilePart]) -> None:
        places: list[list[Any]] = []
        literal = b""
        for part in parts:
            if isinstance(part, bytes):
                places.append([len(literal), len(part)])
                literal += part
            else:
                places.append(list(part))
        self.request("assemble", {"path": path, "parts": places}, literal)

    def read_tail(self, path: str, size: int) -> bytes:
        return self.request("tail", {"path": path, "size": size})[1]

    def write_file(self, path: str, content: bytes, *, exclusive: bool = False) -> bool:
        return bool(self.request("write", {"path": path, "exclusive": exclusive}, content)[0])

    def list_directory(self, path: str) -> list[str]:
        return list(self._ask("listdir", path=path))

    def collect_metadata(self, path: str, most: int) -> MetadataFiles:
        said, blob = self.request("collect", {"path": path, "most": most})
        files = {name: blob[start : start + length] for name, start, length in said["files"]}
        return MetadataFiles(said["path"], said["now"], files, said["complete"])

    def note_ends(self, ends: Sequence[Mapping[str, str]]) -> None:
        self._ask("note_ends", ends=[dict(end) for end in ends])

    def make_directory(self, path: str) -> str:
        return str(self._ask("mkdir", path=path))

    def file_exists(self, path: str) -> bool:
        return bool(self._ask("exists", path=path))

    def remove(self, path: str) -> None:
        self._ask("remove", path=path)


def _pack(requests: Sequence[JobRequest]) -> tuple[list[dict[str, Any]], bytes]:
    """Requests as JSON, their files as one blob with each file's place in it."""
    entries, parts, offset = [], [], 0
    for request in requests:
        places = {}
        for name, content in request.files.items():
            places[name] = [offset, len(content)]
            parts.append(content)
            offset += len(content)
        entries.append(
            {
                "job_dir": request.job_dir,
                "script": request.script,
                "files": places,
                "options": dict(request.options),
                "submit_options": dict(request.submit_options),
                "token": request.token,
                "orchestrator": request.orchestrator,
                "directories": list(request.directories),
                "metadata": request.metadata,
                "id_key": request.id_key,
                "continues": request.continues,
                "after_previous": request.after_previous,
            }
        )
    return entries, b"".join(parts)


def _submitted(entry: Mapping[str, Any]) -> Submitted:
    if "error" in entry:
        return Submitted(error=error_of(entry["kind"], entry["error"]))
    return Submitted(entry["job_id"], entry["job_dir"], entry["reattached"])


def _observation(row: Mapping[str, Any]) -> Observation:
    return Observation(
        job_id=row["job_id"],
        source=row.get("source", "local"),
        state=parse_state(row["state"]),
        reason=row.get("reason", ""),
        exit_code=row.get("exit_code", ""),
        node=row.get("node", ""),
    )
