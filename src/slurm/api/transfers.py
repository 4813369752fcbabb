"""Files of any size to and from an agent: in pieces, several under way at a time, none of it whole in memory.

A piece is a request of its own. So others are answered in between, and when the connection breaks the
pieces that were under way are asked for again, and no others.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar, Union

from slurm.errors import FileTooLarge, RemoteFileError, RemoteFileMissing
from slurm.spool import scratch_directory, scratch_file, write_all

if TYPE_CHECKING:
    from slurm.api.base import Progress
    from slurm.spool import Spool

Request = Callable[[str, dict[str, Any], bytes], tuple[Any, bytes]]
Content = Union[bytes, "Spool"]
Question = TypeVar("Question")
Answer = TypeVar("Answer")

TRIES = 3
SLOWEST_DISK = 10 << 20  # bytes per second that the cluster is given to check a file


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
    for question in questions:
        if len(answers) == width:
            yield answers.popleft().result()
        answers.append(_begin(ask, question))
    while answers:
        yield answers.popleft().result()


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

    What is received is kept in memory up to `in_memory` bytes, and from there on in a nameless file.
    """

    request: Request
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
            for data in self._rest(path, about, first, may_grow=True):
                content.write(data)
            return content.getvalue()
        except MemoryError:
            raise too_large(path, about["size"]) from None

    def open(self, path: str, progress: Progress | None) -> BinaryIO:
        """A file, fetched whole; one that is replaced meanwhile is fetched again. Raises as `read`."""
        for _ in range(TRIES - 1):
            with contextlib.suppress(FileChanged):
                return self._fetched(path, progress)
        return self._fetched(path, progress)

    def _fetched(self, path: str, progress: Progress | None) -> BinaryIO:
        about, first = self._begun(path)
        size: int = about["size"]
        if size <= len(first):
            return io.BytesIO(first)
        require_memory(path, size)
        target = io.BytesIO() if size <= self.in_memory else _file_for(path, size)
        done = 0
        try:
            rest = self._rest(path, about, first, may_grow=False)
            for data in itertools.chain([first], rest):
                done += write_all(target, data)
                if progress is not None:
                    progress(path, done, size)
        except BaseException as error:
            target.close()
            if isinstance(error, (MemoryError, OSError)) and not isinstance(error, RemoteFileError):
                raise _no_room(path, size, error) from error
            raise
        target.seek(0)
        return target if isinstance(target, io.BytesIO) else io.BufferedReader(target)

    def _begun(self, path: str) -> tuple[Mapping[str, int], bytes]:
        try:
            return self.request("read", {"path": path, "size": self.piece}, b"")
        except MemoryError:
            raise too_large(path, self.piece) from None

    def _rest(
        self, path: str, about: Mapping[str, int], first: bytes, *, may_grow: bool
    ) -> Iterator[bytes]:
        end = about["size"]
        same = ("inode",) if may_grow else ("inode", "size", "mtime")

        def read(offset: int) -> bytes:
            size = min(self.piece, end - offset)
            now, data = self.request("read", {"path": path, "offset": offset, "size": size}, b"")
            if len(data) < size or any(now[name] != about[name] for name in same):
                raise FileChanged(f"{path} was replaced while it was read")
            return data

        return pipelined(read, range(len(first), end, self.piece), self.in_flight)

    # To the cluster

    def send(self, base: str, content: Content, path: str, progress: Progress | None) -> None:
        """Bring a file to the cluster, for the job that will have it as `path`.

        Raises `RemoteFileError` when there is no room for it, or it does not arrive as it was sent.
        """
        checksum, size = sha256_of(content), size_of(content)
        where = {"base": base, "sha256": checksum, "size": size}
        for _ in range(TRIES):
            with contextlib.suppress(
                RemoteFileMissing
            ):  # somebody has tidied up: from the beginning
                begun, _ = self.request("stage", where, b"")
                if begun["whole"]:
                    return
                self._send_pieces(begun, content, path, progress)
                patience = {"timeout": size / SLOWEST_DISK}
                if self.request("staged", {**where, **patience}, b"")[0]:
                    return
        raise RemoteFileError(f"{path} did not arrive on the cluster as it was sent")

    def _send_pieces(
        self, begun: Mapping[str, Any], content: Content, path: str, progress: Progress | None
    ) -> None:
        size = size_of(content)

        def put(offset: int) -> int:
            data = read_at(content, offset, self.piece)
            self.request("put", {"path": begun["path"], "offset": offset}, data)
            return offset + len(data)

        # What was under way when an earlier attempt ended may have left a hole.
        start = max(0, begun["there"] - self.piece * self.in_flight)
        try:
            for done in pipelined(put, range(start, size, self.piece), self.in_flight):
                if progress is not None:
                    progress(path, done, size)
        except RemoteFileMissing:
            raise
        except RemoteFileError:  # the disk is full: make room
            with contextlib.suppress(RemoteFileError):
                self.request("remove", {"path": begun["path"]}, b"")
            raise


# --- what is sent --------------------------------------------------------------------------------


def size_of(content: Content) -> int:
    """How many bytes there are."""
    return len(content) if isinstance(content, bytes) else content.size


def read_at(content: Content, offset: int, size: int) -> bytes:
    """At most `size` bytes from `offset` on."""
    if isinstance(content, bytes):
        return content[offset : offset + size]
    return content.read_at(offset, size)


def sha256_of(content: Content) -> str:
    """The checksum of all of it."""
    checksum = hashlib.sha256()
    for piece in [content] if isinstance(content, bytes) else content.pieces():
        checksum.update(piece)
    return checksum.hexdigest()


# --- room for what is received -------------------------------------------------------------------


def require_memory(path: str, size: int) -> None:
    """Raise `FileTooLarge` if `size` bytes of `path` cannot be held here; what may be is not touched."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):  # it does not tell
        machine = size
    try:
        if size > machine:
            raise MemoryError
        bytearray(size)
    except MemoryError:
        raise too_large(path, size) from None


def too_large(path: str, size: int) -> FileTooLarge:
    """The error for a file for which there is not the memory."""
    limit = "this process has memory for"
    return FileTooLarge(f"{path}: {size} bytes are more than {limit}", size=size, limit=limit)


def _file_for(path: str, size: int) -> io.FileIO:
    """A temporary file with room for `size` bytes. Raises `FileTooLarge`."""
    import shutil

    try:
        if shutil.disk_usage(scratch_directory()).free < size:
            raise _no_disk(path, size)
        return scratch_file()
    except OSError as error:
        raise _no_disk(path, size) from error


def _no_room(path: str, size: int, error: MemoryError | OSError) -> FileTooLarge:
    return too_large(path, size) if isinstance(error, MemoryError) else _no_disk(path, size)


def _no_disk(path: str, size: int) -> FileTooLarge:
    limit = f"{scratch_directory()} has room for (TMPDIR chooses another folder)"
    return FileTooLarge(f"{path}: {size} bytes are more than {limit}", size=size, limit=limit)
