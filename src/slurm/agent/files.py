"""Files that appear whole or not at all."""

import contextlib
import errno
import os
from typing import Any, Iterator, List

from .errors import AgentError
from .regular_files import open_regular
from .users import expanded

NO_LINKS = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP)
COPY_CHUNK = 1 << 20


def unique_name() -> str:
    """A file name that no other process on any node chooses."""
    return os.urandom(8).hex()


@contextlib.contextmanager
def replacing(path: str, mode: int = 0o600, sync: bool = True) -> Iterator[Any]:
    """``with replacing(path) as file:`` write a file. Readers see the old one or the whole new one, never a part.

    Without `sync` that holds until the machine crashes: for what can be found out in another way.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, ".{}.{}".format(name[:60], unique_name()))
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "w+b") as file:
            os.fchmod(handle, mode)  # whatever the umask
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError):
            error.filename = path  # there is none where the disk is full
        os.unlink(temporary)
        raise


def sync_folder(folder: str) -> None:
    """Have the names in a directory survive a crash of the machine, as ``fsync`` of a file has its content."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: str, data: bytes, mode: int = 0o600, sync: bool = True) -> None:
    """Write `data` to `path` as `replacing` does."""
    with replacing(path, mode, sync) as file:
        file.write(data)


def write_new(path: str, data: bytes, mode: int = 0o600, sync: bool = True) -> None:
    """Write a file where there is none, in a directory that nobody reads yet: in few steps, a file server's each.

    A part of it may stay where that fails.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)  # whatever the umask
            file.write(data)
            file.flush()
            if sync:
                os.fsync(handle)
    except OSError as error:
        error.filename = path  # there is none where the disk is full
        raise


def create_exclusive(path: str, data: bytes) -> bool:
    """Write `data` to `path`, whole, unless there is such a file; returns whether it was written."""
    staged = os.path.join(os.path.dirname(path), "." + unique_name())
    handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.link(staged, path)
            os.fsync(handle)  # after the name was given: that is to survive as well
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            error.filename = path
            raise
        return create_in_place(path, data)
    finally:
        os.unlink(staged)
    return True


def create_in_place(path: str, data: bytes) -> bool:
    """The same where the file system has no links: whoever reads it at the wrong moment sees a part."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)
    return True


def copy_part(target: Any, path: str, offset: int, length: int) -> None:
    """Write a part of the file `path` into one that is open."""
    with open_regular(expanded(path)) as source:
        copy_from(source, target, offset, length, path)


def copy_from(source: Any, target: Any, offset: int, length: int, path: str) -> None:
    """The same where the file `path` is open as well."""
    source.seek(offset)
    while length:
        chunk = source.read(min(length, COPY_CHUNK))
        if not chunk:
            raise AgentError("file", "{} is shorter than it was".format(path))
        target.write(chunk)
        length -= len(chunk)


class OneOpen:
    """``with OneOpen(paths) as opened:`` has one of these files open at a time: the one that was asked for last."""

    def __init__(self, paths: List[str]) -> None:
        self.paths = paths
        self._number = -1
        self._file: Any = None

    def file(self, number: int) -> Any:
        """The file with this number, to be read."""
        if number != self._number:
            self._close()
            self._file, self._number = open_regular(expanded(self.paths[number])), number
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file, self._number = None, -1

    def __enter__(self) -> "OneOpen":
        return self

    def __exit__(self, *error: Any) -> None:
        self._close()


def beginning(path: str, size: int) -> bytes:
    """The first `size` bytes of a file."""
    with open_regular(path) as file:
        whole = os.fstat(
            file.fileno()
        ).st_size  # a buffer of `size` costs more than what is in most files
        content: bytes = file.read(min(size, whole + 1))
        return content
