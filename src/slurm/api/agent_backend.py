"""A backend that asks an agent: in this process or at the other end of a connection."""

from __future__ import annotations

import abc
import io
import itertools
import posixpath
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from slurm import errors, forks
from slurm.agent.directory_names import STAGED
from slurm.agent.file_requests import UNSENT
from slurm.agent.files import unique_name
from slurm.agent.job_ids import collapse_job_ids, expand_job_id, ranges
from slurm.agent.locks import Locked
from slurm.agent.programs import STARTING
from slurm.api.base import BackendBase
from slurm.api.cleaned_up import CleanedUp, cleaned_up
from slurm.api.disk_and_memory import too_large
from slurm.api.job_listing import JobListing
from slurm.api.record_parts import parts_in
from slurm.api.requests import (
    NOTHING,
    Added,
    Archive,
    FilePart,
    FilePlace,
    Host,
    JobRequest,
    MetadataFiles,
    PartSum,
    Progress,
    RecordPart,
    Submitted,
    Tree,
    TreeFile,
)
from slurm.api.stored_packages import RemovedPackages, StoredPackage, StoredPackages
from slurm.api.transfers import (
    SLOWEST_DISK,
    Content,
    Sink,
    Transfers,
    listening,
    pieces_of,
    size_of,
)
from slurm.job_dir.result_file import sha256_of
from slurm.states import ENDED, ENDED_IF_IT_STAYS, Observation, parse_state

SUMS_TOGETHER = 10_000  # parts of files in a request
PACKAGES_TIMEOUT = 1800.0  # seconds: a hundred thousand files are looked at, or removed, one by one
TRIES = 5  # an archive, a file that was removed as it arrived

# An agent may be in this process, and does not know that programs fork.
forks.held_back_by(STARTING)
forks.in_child(Locked.leave_to_parent)

ERROR_OF_KIND: Mapping[str, type[errors.SlurmError]] = {
    "file": errors.RemoteFileError,
    "missing": errors.RemoteFileMissing,
    "unreachable": errors.SchedulerUnreachable,
    "scheduler": errors.SchedulerUnreachable,
    "refused": errors.SubmissionRefused,
    "unknown": errors.SubmissionUnknown,
}


def error_of(kind: str, message: str) -> errors.SlurmError:
    """The exception for what an agent reported."""
    return ERROR_OF_KIND.get(kind, errors.SlurmError)(message)


class AgentBackend(BackendBase):
    """Everything but how a request reaches the agent, which is `request`.

    Files of more than `piece` bytes are read and sent in pieces, `in_flight` of them at a time;
    `large_from` see `BackendBase`; of small files, as many come in one answer as fit into `together`.
    """

    large_from: int | None = 4 << 20
    copies_code: bool = True
    in_flight: int = 6  # with a bit more than ssh's own window, latency costs nothing
    together: int = 16 << 20
    # Not a `functools.cached_property`: before Python 3.12 it holds a lock meanwhile, also in a child forked then.
    _host: Host | None = None
    _limits: Mapping[str, int] | None = None

    @abc.abstractmethod
    def request(self, op: str, params: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        """Have the agent answer one request; raises what `error_of` makes of its refusal."""

    def _ask(self, op: str, **params: Any) -> Any:
        return self.request(op, params)[0]

    def request_into(self, op: str, params: dict[str, Any], sink: Sink) -> tuple[Any, int]:
        """As `request`; the bytes of the answer go into `sink`, part by part, and their count is answered."""
        answer, data = self.request(op, params)
        sink(0, memoryview(data))
        return answer, len(data)

    def host(self) -> Host:
        if self._host is None:
            said = self._ask("hello")
            major, minor, micro = said["python"]
            self._host = Host(said["home"], said["user"], (major, minor, micro), said["executable"])
        return self._host

    def submit_jobs(
        self,
        requests: Sequence[JobRequest],
        *,
        base: str,
        events: str,
        archive: Archive,
        progress: Progress | None = None,
    ) -> list[Submitted]:
        packed = _Packed(requests, f"{base}/{STAGED}", self.large_from)
        params = {
            "base": base,
            "needs": archive.directory,
            "events": events,
            "requests": packed.entries,
        }
        for _ in range(TRIES):
            answer, _ = self.request("submit", params, packed.blob)
            if "jobs" in answer:
                return list(map(_submitted, requests, answer["jobs"]))
            if "needs" in answer:
                self.request("install", {"directory": archive.directory}, archive.content)
            for staged in answer.get("unstaged", ()):
                content, path = packed.large[staged]
                self._transfers.send(content, staged, listening(progress, path))
        raise errors.RemoteFileError(f"what is put in {base} does not stay there")

    def find_job(
        self, job_dir: str, *, token: str, script: str, metadata: str, id_key: str
    ) -> str | None:
        about = {"token": token, "script": script, "metadata": metadata, "id_key": id_key}
        found: str | None = self._ask("locate", request={"job_dir": job_dir, **about})
        return found

    def limits(self) -> Mapping[str, int]:
        if self._limits is None:
            self._limits = self._ask("limits")
        return self._limits

    def query_jobs(self, job_ids: Sequence[str]) -> list[Observation]:
        found = {
            job_id: one._replace(job_id=job_id)
            for one in self.query_together(collapse_job_ids(list(job_ids)))
            for job_id in expand_job_id(one.job_id)
        }
        return [found.get(job_id) or Observation(job_id, "absent") for job_id in job_ids]

    def query_together(self, words: Sequence[str]) -> list[Observation]:
        return list(map(_observation, self._ask("query", job_ids=list(words))))

    def query_usage(self, job_ids: Sequence[str]) -> list[Mapping[str, str]]:
        return list(self._ask("usage", job_ids=list(job_ids)))

    def get_offers(self, kinds: Sequence[str]) -> Mapping[str, Sequence[Mapping[str, str]]]:
        found: Mapping[str, Sequence[Mapping[str, str]]] = self._ask("offers", kinds=list(kinds))
        return found

    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        self._ask("cancel", job_ids=list(job_ids))

    def wait_events(
        self, directory: str, seen: Iterable[str], timeout: float, every: float
    ) -> dict[str, bytes]:
        params = {"directory": directory, "seen": list(seen), "timeout": timeout, "every": every}
        (names, lengths), blob = self.request("events", params)
        ends = list(itertools.accumulate(lengths, initial=0))
        return {name: blob[i:j] for name, i, j in zip(names, ends, ends[1:])}

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
        params = {"place": place, "store": store, "listed": len(listed), "contents": list(contents)}
        params["timeout"] = sum(size for _, size in contents) / SLOWEST_DISK
        if size_of(packed) > self.piece:
            digest = sha256_of(pieces_of(packed))
            staged = posixpath.join(posixpath.dirname(store), STAGED, digest)
            self._transfers.send(packed, staged, listening(progress, staged))
            answer = self.request("copy", {**params, "staged": staged}, listed)[0]
            self.discard(staged)
        else:
            answer = self.request("copy", params, listed + b"".join(pieces_of(packed)))[0]
        found: Mapping[str, Any] = answer
        return found

    def get_queue(self) -> list[Mapping[str, Any]]:
        return list(self._ask("queue"))

    def list_jobs(self, base: str, *, since: float) -> JobListing:
        return JobListing(**self._ask("jobs", base=base, since=since))

    def get_cluster_info(self) -> Mapping[str, Any]:
        info: Mapping[str, Any] = self._ask("info")
        return info

    def run_program(
        self, argv: Sequence[str], *, input: bytes = b"", timeout: float
    ) -> tuple[int, bytes]:
        status, output = self.request("run", {"argv": list(argv), "timeout": timeout}, input)
        return int(status), output

    @property
    def _transfers(self) -> Transfers:
        return Transfers(
            self.request, self.request_into, self.piece, self.in_flight, self.large_from or 0
        )

    def read_file(self, path: str) -> bytes:
        return self._transfers.read(path)

    def open_file(self, path: str, *, progress: Progress | None = None) -> BinaryIO:
        return self._transfers.open(path, listening(progress, path))

    def read_files(self, paths: Sequence[str]) -> Iterator[bytes | None]:
        for path, content in self._read_together(paths):
            yield self.read_file(path) if content is UNSENT else content

    def open_files(
        self, paths: Sequence[str], *, progress: Progress | None = None
    ) -> Iterator[BinaryIO | None]:
        for path, content in self._read_together(paths):
            if content is UNSENT:
                yield self.open_file(path, progress=progress)
            else:
                yield None if content is None else io.BytesIO(content)

    def _read_together(self, paths: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """Each path with its content, None where there is no file, `UNSENT` for a large one."""
        left = list(paths)
        while left:
            params = {"paths": left, "most": self.together, "largest": self.large_from}
            try:
                lengths, blob = self.request("read_many", params)
            except MemoryError:
                raise too_large(left[0], self.together) from None
            offset = 0
            for path, length in zip(left, lengths):
                if length in (None, UNSENT):
                    yield path, length
                else:
                    yield path, blob[offset : offset + length]
                    offset += length
            left = left[len(lengths) :]

    def read_records(
        self,
        folder: str,
        *,
        jobs: Collection[str] | None = None,
        items: Collection[int] | None = None,
        after: Mapping[str, int] = NOTHING,
        bodies: bool = True,
        most: int | None = None,
    ) -> Iterator[RecordPart]:
        params = {
            "folder": folder,
            "jobs": None if jobs is None else list(jobs),
            "items": None if items is None else ranges(list(items)),
            "bodies": bodies,
            "most": self.together if most is None else most,
        }
        ends = dict(after)
        complete = False
        while not complete:
            said, blob = self.request("records", {**params, "after": ends})
            for part in parts_in(said["files"], blob):
                ends[part.name] = part.end
                yield part
            complete = said["complete"] or most is not None

    def assemble_file(self, path: str, parts: Sequence[FilePart]) -> None:
        sources: dict[str, int] = {}
        places: list[tuple[int, ...]] = []
        given: list[bytes] = []
        for part in parts:
            if not isinstance(part, bytes):
                source, offset, length = part
                places.append((sources.setdefault(source, len(sources)), offset, length))
            elif places and len(places[-1]) == 1:
                given.append(part)
                places[-1] = (places[-1][0] + len(part),)
            else:
                given.append(part)
                places.append((len(part),))
        params = {"path": path, "sources": list(sources), "parts": places}
        self.request("assemble", params, b"".join(given))

    def read_head(self, path: str, size: int) -> bytes:
        return self.request("read", {"path": path, "size": size})[1]

    def read_tail(self, path: str, size: int) -> bytes:
        return self.request("tail", {"path": path, "size": size})[1]

    def wait_added(
        self, files: Sequence[tuple[str, FilePlace]], *, timeout: float, every: float = 0.1
    ) -> list[Added]:
        asked = [[path, list(place)] for path, place in files]
        params = {"files": asked, "most": self.piece, "timeout": timeout, "every": every}
        answers, blob = self.request("added", params)
        ends = itertools.accumulate((size for *_, size, _ in answers), initial=0)
        return [
            Added(number, start, FilePlace(*place), blob[at : at + size], anew)
            for at, (number, start, place, size, anew) in zip(ends, answers)
        ]

    def write_file(self, path: str, content: bytes, *, exclusive: bool = False) -> bool:
        return bool(self.request("write", {"path": path, "exclusive": exclusive}, content)[0])

    def list_directory(self, path: str) -> list[str]:
        return list(self._ask("listdir", path=path))

    def list_tree(self, path: str, most: int) -> Tree:
        answer = self._ask("tree", path=path, most=most)
        return Tree(tuple(TreeFile(*one) for one in answer["files"]), answer["complete"])

    def sum_parts(self, parts: Sequence[tuple[str, int, int]]) -> Iterator[PartSum]:
        left = list(parts)
        while left:
            timeout = max(length for _, _, length in left) / SLOWEST_DISK
            asked = left[:SUMS_TOGETHER]
            answers = self._ask("sums", parts=asked, timeout=timeout)
            for (path, _, _), answer in zip(asked, answers):
                yield _part_sum(path, answer)
            left = left[len(answers) :]

    def read_pieces(self, path: str, version: TreeFile, start: int = 0) -> Iterator[bytes]:
        return self._transfers.pieces(path, version, start)

    def collect_metadata(self, path: str, most: int) -> MetadataFiles:
        said, blob = self.request("collect", {"path": path, "most": most})
        files = {name: blob[start : start + length] for name, start, length in said["files"]}
        return MetadataFiles(said["path"], said["now"], files, said["complete"])

    def list_packages(self, base: str) -> StoredPackages:
        said = self._ask("packages", base=base, timeout=PACKAGES_TIMEOUT)
        return StoredPackages(tuple(map(_stored, said["packages"])), said["size"], said["problem"])

    def remove_packages(
        self, base: str, *, older_than: float, dry_run: bool = False
    ) -> RemovedPackages:
        params = {"base": base, "older_than": older_than, "dry_run": dry_run}
        said = self._ask("remove_packages", **params, timeout=PACKAGES_TIMEOUT)
        removed = tuple(map(_stored, said["removed"]))
        return RemovedPackages(removed, said["freed"], said["used"], said["recent"])

    def clean_up(
        self,
        base: str,
        *,
        older_than: float,
        dry_run: bool = True,
        progress: Callable[[CleanedUp, int], object] | None = None,
    ) -> CleanedUp:
        about = {"base": base, "older_than": older_than, "dry_run": dry_run, "name": unique_name()}
        earlier: CleanedUp | None = None
        done = CleanedUp(dry_run)
        while True:
            said = self._ask("clean_up", **about, timeout=PACKAGES_TIMEOUT)
            if said["begun"] and not dry_run:
                earlier = done
            problem = said["problem"] or done.problem
            done = cleaned_up(said["counts"], earlier, dry_run=dry_run, problem=problem)
            if progress is not None:
                progress(done, said["looked"])
            if said["over"]:
                return done

    def note_ends(self, ends: Sequence[Mapping[str, str]]) -> None:
        self._ask("note_ends", ends=[dict(end) for end in ends])

    def make_directory(self, path: str) -> str:
        return str(self._ask("mkdir", path=path))

    def file_exists(self, path: str) -> bool:
        return bool(self._ask("exists", path=path))

    def remove(self, path: str) -> None:
        self._ask("remove", path=path)


class _Packed:
    """Requests as JSON, and what goes beside it.

    `blob` is all files that are not large, `entries` say which place in it each has. `large` are the
    others by the path in `staging` that is named by their content, each with one that it will have.
    """

    def __init__(
        self, requests: Sequence[JobRequest], staging: str, large_from: int | None
    ) -> None:
        self._staging = staging
        self.large: dict[str, tuple[Content, str]] = {}
        self._parts: list[bytes] = []
        self._offset = 0
        self._large_from = large_from
        self.entries = [self._entry(request) for request in requests]
        self.blob = b"".join(self._parts)

    def _entry(self, request: JobRequest) -> dict[str, Any]:
        places, staged = {}, {}
        contents: Mapping[str, Content] = {**request.files, **request.large_files}
        for name, content in contents.items():
            if isinstance(content, bytes) and not self._is_large(content):
                places[name] = [self._offset, len(content)]
                self._parts.append(content)
                self._offset += len(content)
            else:
                staged[name] = path = f"{self._staging}/{sha256_of(pieces_of(content))}"
                self.large[path] = content, f"{request.job_dir}/{name}"
        return {
            "job_dir": request.job_dir,
            "script": request.script,
            "files": places,
            "staged": staged,
            "options": dict(request.options),
            "submit_options": dict(request.submit_options),
            "token": request.token,
            "orchestrator": request.orchestrator,
            "directories": list(request.directories),
            "metadata": request.metadata,
            "id_key": request.id_key,
            "continues": request.continues,
            "after_previous": request.after_previous,
            "needed": list(request.needed),
        }

    def _is_large(self, content: bytes) -> bool:
        return self._large_from is not None and len(content) > self._large_from


def _submitted(request: JobRequest, entry: Mapping[str, Any]) -> Submitted:
    """What became of a request, from the answer that bears its token."""
    if "gone" in entry:
        return Submitted(error=errors.PackagingError(entry["error"], gone=entry["gone"]))
    if "error" in entry:
        return Submitted(error=error_of(entry["kind"], entry["error"]))
    if entry["token"] != request.token:
        return Submitted(error=errors.SubmissionUnknown("the answer was to another submission"))
    job_id, job_dir = entry["job_id"], entry["job_dir"]
    return Submitted(job_id, job_dir, entry["reattached"], options=entry.get("options"))


def _stored(row: Mapping[str, Any]) -> StoredPackage:
    about = row.get("about", {})
    return StoredPackage(row["kind"], row["name"], row["size"], row["used"], row.get("jobs"), about)


def _part_sum(path: str, answer: Mapping[str, Any]) -> PartSum:
    if "error" in answer:
        return PartSum(error=error_of(answer["kind"], answer["error"]))
    version = TreeFile(path, answer["size"], answer["mtime"], answer["inode"])
    return PartSum(answer["sha256"], version)


def _observation(row: Mapping[str, Any]) -> Observation:
    return Observation(
        job_id=row["job_id"],
        source=row.get("source", "local"),
        state=parse_state(row["state"]),
        reason=row.get("reason", ""),
        exit_code=row.get("exit_code", ""),
        node=row.get("node", ""),
        origin=row.get("origin", ""),
        ended_at=_ended_at(row),
    )


def _ended_at(row: Mapping[str, Any]) -> float | None:
    """When a job ended; of one that goes on, squeue has the end of its time limit there."""
    end = row.get("end")
    if end is None or parse_state(row["state"]) not in ENDED | ENDED_IF_IT_STAYS:
        return None
    return float(end) if isinstance(end, float) or str(end).isdigit() else None
