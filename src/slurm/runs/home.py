"""A directory of a run on this machine, into which files are put: never outside of it, whatever links lie in it."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from slurm.agent.files import unique_name
from slurm.agent.regular_files import require_regular
from slurm.config.globs import is_inside
from slurm.runs.sharing import share

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
AT_ONCE = 1 << 20


class Home:
    """The directory `folder`; itself it may be a link to where there is room. It is made when something is put there.

    Paths are relative to it; no link below it is followed. All methods raise OSError, with the path as its ``filename``.

    >>> home = Home(Path("outputs"))
    >>> _ = Path("here.txt").write_text("5")
    >>> home.put(Path("here.txt"), "deep/there.txt")
    >>> home.find("deep/there.txt").st_size, home.find("deep/other.txt")
    (1, None)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, path: str) -> os.stat_result | None:
        """What is known of the file at `path`; None where there is none, or something else."""
        try:
            with self._beside(path) as (handle, name):
                about = os.stat(name, dir_fd=handle, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                return None
            raise
        return about if stat.S_ISREG(about.st_mode) else None

    def files(self) -> Iterator[str]:
        """The paths of all files in it; links, and what they lead to, are none."""
        root = os.path.realpath(self.folder)
        if not os.path.isdir(root):
            return
        for folder, _, names, handle in os.fwalk(root):
            for name in sorted(names):
                about = os.stat(name, dir_fd=handle, follow_symlinks=False)
                if stat.S_ISREG(about.st_mode):
                    yield os.path.relpath(os.path.join(folder, name), root)

    def open(self, path: str) -> BinaryIO:
        """The file, to be read and closed."""
        with self._beside(path) as (handle, name):
            how = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            file = os.open(name, how, dir_fd=handle)
            try:
                require_regular(os.fstat(file), path)
                return os.fdopen(file, "rb")
            except BaseException:
                os.close(file)
                raise

    def put(self, source: Path, path: str) -> None:
        """Move a file to `path`, where it appears whole, in place of what is there; directories are made."""
        with self._beside(path, make=True) as (handle, name):
            try:
                os.rename(source, name, dst_dir_fd=handle)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise OSError(error.errno, error.strerror, path) from None
                with source.open("rb") as old:
                    time = os.fstat(old.fileno()).st_mtime_ns
                    _write(handle, name, iter(lambda: old.read(AT_ONCE), b""), time)
                source.unlink()

    def write(self, path: str, content: bytes) -> None:
        """Have the file at `path` hold this; as `put`."""
        with self._beside(path, make=True) as (handle, name):
            _write(handle, name, [content])

    def stamp(self, path: str, mtime: int) -> None:
        """Have the file's time be that of the one it came from."""
        with self._beside(path) as (handle, name):
            os.utime(name, ns=(mtime, mtime), dir_fd=handle, follow_symlinks=False)

    def sync(self) -> None:
        """Have all names in it survive a crash of the machine."""
        for _, _, _, handle in os.fwalk(os.path.realpath(self.folder)):
            os.fsync(handle)

    @contextlib.contextmanager
    def _beside(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The directory that `path` is in, open, and its name there."""
        if not is_inside(path):
            raise OSError(errno.EPERM, "it leads out of its directory", path)
        *above, name = path.split("/")
        if make:
            new = not os.path.lexists(self.folder)
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if new:
                share(self.folder, self.folder.parent)
        handle = os.open(self.folder, FOLDER)
        try:
            for part in above:
                below = _entered(handle, part, path, make)
                os.close(handle)
                handle = below
            yield handle, name
        finally:
            os.close(handle)


def _entered(handle: int, name: str, path: str, make: bool) -> int:
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=handle)
            made = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=handle)
            try:
                share(made, handle)
            finally:
                os.close(made)
    try:
        return os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=handle)
    except OSError as error:
        if make and stat.S_ISLNK(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
            why = f"nothing is written through the link {name!r}"
            raise OSError(errno.ELOOP, why, path) from None
        raise OSError(error.errno, error.strerror, path) from None


def _write(handle: int, name: str, pieces: Iterable[bytes], mtime: int | None = None) -> None:
    """Write a file in an open directory; it appears whole."""
    temporary = f".{name[:60]}.{unique_name()}"
    how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, how, 0o600, dir_fd=handle), "wb") as file:
            share(file.fileno(), handle)
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
            if mtime is not None:
                os.utime(file.fileno(), ns=(mtime, mtime))
        os.rename(temporary, name, src_dir_fd=handle, dst_dir_fd=handle)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=handle)
        raise
