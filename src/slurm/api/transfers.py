"""Files of any size to and from an agent: in pieces, several under way at a time, none of it whole in memory.

A piece is a request of its own. So others are answered in between, and when the connection breaks the
pieces that were under way are asked for again, and no others.
"""

from __future__ import annotations

import contextlib
import functools
import io
import posixpath
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar, Union

from slurm.api.disk_and_memory import file_for, no_room, require_memory, too_large
from slurm.errors import RemoteFileError, RemoteFileMissing
from slurm.job_dir.large_files import write_all, write_at

if TYPE_CHECKING:
    from slurm.api.requests import Progress, TreeFile
    from slurm.job_dir.large_files import SpooledFile

Request = Callable[[str, dict[str, Any], bytes], tuple[Any, bytes]]
# Where a part of an answer's bytes goes, and at which of them it begins; repeated after a connection was lost.
Sink = Callable[[int, memoryview], object]
RequestInto = Callable[[str, dict[str, Any], Sink], tuple[Any, int]]
Content = Union[bytes, "SpooledFile"]
Told = Callable[[int, int], object]  # how many bytes have arrived, and all of them
Question = TypeVar("Question")
Answer = TypeVar("Answer")

SAME_FILE = ("inode", "size", "mtime")
TRIES = 3
SLOWEST_DISK = 10 << 20  # bytes per second with which the cluster may check a file


class FileChanged(RemoteFileError):
    """The file on the cluster is not the one whose beginning was read."""


def pipelined(
    ask: Callable[[Question], Answer], questions: Iterable[Question], width: int
) -> Iterator[Answer]:
    """What `ask` says to each of `questions`, in their order, with `width` of them under way at a time.

    >>> list(pipelined(len, ["a", "bc", "def"], width=2))
    [1, 2, 3]
    """
    if width == 1:
        yield from map(ask, questions)
        return
    answers: deque[Future[Answer]] = deque()
    try:
        for question in questions:
            if len(answers) == width:
                yield answers.popleft().result()
            answers.append(_begin(ask, question))
        while answers:
            yield answers.popleft().result()
    except Exception:
        wait(answers)  # what is under way must not meet what is begun next
        raise


def _begin(ask: Callable[[Question], Answer], question: Question) -> Future[Answer]:
    answer: Future[Answer] = Future()

    def work() -> None:
        try:
            answer.set_result(ask(question))
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is wanted
            answer.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return answer


class Transfers(NamedTuple):
    """How files travel: `piece` bytes in a request, `in_flight` requests at a time.

    What is received is kept in memory up to `in_memory` bytes, and in a nameless file from there on:
    that is what is told of.
    """

    request: Request
    request_into: RequestInto
    piece: int
    in_flight: int
    in_memory: int

    # From the cluster

    def read(self, path: str) -> bytes:
        """A file's content, as long as it was at first. Raises `FileTooLarge`, `RemoteFileError`."""
        about, first = self._begun(path)
        if about["size"] <= len(first):
            return first
        require_memory(path, about["size"])
        try:
            content = io.BytesIO()
            content.write(first)
            for data in self._rest(path, about, len(first), may_grow=True):
                content.write(data)
            return content.getvalue()
        except MemoryError:
            raise too_large(path, about["size"]) from None

    def open(self, path: str, told: Told) -> BinaryIO:
        """A file, fetched whole; one that is replaced meanwhile is fetched again. Raises as `read`."""
        for _ in range(TRIES - 1):
            with contextlib.suppress(FileChanged):
                return self._fetched(path, told)
        return self._fetched(path, told)

    def _fetched(self, path: str, told: Told) -> BinaryIO:
        about, first = self._begun(path)
        size: int = about["size"]
        if size <= len(first):
            return io.BytesIO(first)
        require_memory(path, size)
        if size > self.in_memory:
            return self._fetched_to_disk(path, about, first, told)
        target = io.BytesIO(first)
        target.seek(len(first))
        try:
            for data in self._rest(path, about, len(first), may_grow=False):
                target.write(data)
        except MemoryError as error:
            raise no_room(path, size, error) from error
        target.seek(0)
        return target

    def _fetched_to_disk(
        self, path: str, about: Mapping[str, int], first: bytes, told: Told
    ) -> BinaryIO:
        """In a nameless file, to which what arrives goes without a stay in memory."""
        size = about["size"]
        target = file_for(path, size)
        try:
            write_all(target, first)
            told(len(first), size)
            for done in self._into(target, path, about, len(first)):
                told(done, size)
        except BaseException as error:
            target.close()
            if isinstance(error, (MemoryError, OSError)) and not isinstance(error, RemoteFileError):
                raise no_room(path, size, error) from error
            raise
        target.seek(0)
        return io.BufferedReader(target)

    def _into(
        self, target: io.FileIO, path: str, about: Mapping[str, int], start: int
    ) -> Iterator[int]:
        """Fetch the rest of a file; how much of it has arrived, again and again."""
        file = target.fileno()

        def fetch(offset: int) -> int:
            size = min(self.piece, about["size"] - offset)
            now, got = self.request_into(
                "read",
                {"path": path, "offset": offset, "size": size},
                lambda at, data: write_at(file, offset + at, data),
            )
            if got < size or any(now[name] != about[name] for name in SAME_FILE):
                raise FileChanged(f"{path} was replaced while it was read")
            return offset + got

        return pipelined(fetch, range(start, about["size"], self.piece), self.in_flight)

    def _begun(self, path: str) -> tuple[Mapping[str, int], bytes]:
        try:
            return self.request("read", {"path": path, "size": self.piece}, b"")
        except MemoryError:
            raise too_large(path, self.piece) from None

    def _rest(
        self, path: str, about: Mapping[str, int], start: int, *, may_grow: bool
    ) -> Iterator[bytes]:
        end = about["size"]
        same = ("inode",) if may_grow else SAME_FILE

        def read(offset: int) -> bytes:
            size = min(self.piece, end - offset)
            now, data = self.request("read", {"path": path, "offset": offset, "size": size}, b"")
            if len(data) < size or any(now[name] != about[name] for name in same):
                raise FileChanged(f"{path} was replaced while it was read")
            return data

        return pipelined(read, range(start, end, self.piece), self.in_flight)

    def pieces(self, path: str, version: TreeFile, start: int) -> Iterator[bytes]:
        """A file's content from `start` on, of this version alone. Raises `FileChanged`, `RemoteFileError`."""
        about = {"size": version.size, "mtime": version.mtime, "inode": version.inode}
        return self._rest(path, about, start, may_grow=False)

    # To the cluster

    def send(self, content: Content, path: str, told: Told) -> None:
        """Bring a file to the cluster, to a `path` whose name is its checksum.

        Raises `RemoteFileError` when there is no room for it, or it does not arrive as it was sent.
        """
        size = size_of(content)
        check = {"path": path, "sha256": posixpath.basename(path), "timeout": size / SLOWEST_DISK}
        for _ in range(TRIES):
            try:
                begun, _ = self.request("stage", {"path": path, "size": size}, b"")
                if begun["whole"]:
                    return
                self._send_pieces(begun, content, told)
                if self.request("staged", check, b"")[0]:
                    return
            except RemoteFileMissing:
                continue  # somebody has tidied up: from the beginning
        raise RemoteFileError(f"{path} did not arrive on the cluster as it was sent")

    def _send_pieces(self, begun: Mapping[str, Any], content: Content, told: Told) -> None:
        size, part = size_of(content), begun["part"]

        def put(offset: int) -> int:
            data = read_at(content, offset, self.piece)
            self.request("put", {"path": part, "offset": offset}, data)
            return offset + len(data)

        # What was under way when an earlier attempt ended may have left a hole.
        start = max(0, begun["there"] - self.piece * self.in_flight)
        try:
            for done in pipelined(put, range(start, size, self.piece), self.in_flight):
                told(done, size)
        except RemoteFileMissing:
            raise
        except RemoteFileError:  # the disk is full: make room
            with contextlib.suppress(RemoteFileError):
                self.request("remove", {"path": part}, b"")
            raise


def listening(progress: Progress | None, path: str) -> Told:
    """Who is told of one file's bytes: `progress`, if there is anybody, by the file's `path`."""
    return _nobody if progress is None else functools.partial(progress, path)


def _nobody(done: int, total: int) -> None:
    pass


def size_of(content: Content) -> int:
    """How many bytes there are to send."""
    return len(content) if isinstance(content, bytes) else content.size


def read_at(content: Content, offset: int, size: int) -> bytes:
    """At most `size` bytes from `offset` on."""
    if isinstance(content, bytes):
        return content[offset : offset + size]
    return content.read_at(offset, size)


def pieces_of(content: Content) -> Iterable[bytes]:
    """All of it, one bounded piece after the other."""
    return [content] if isinstance(content, bytes) else content.pieces()
