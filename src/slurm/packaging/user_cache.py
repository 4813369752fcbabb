"""What programs of one user share on this machine: one makes a thing while the others wait for it, and then all have it.

Where the directory for that cannot be used, each program makes everything for itself: it says so once.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import logging
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from slurm.agent.directories import make_private_directory
from slurm.agent.errors import AgentError

logger: logging.Logger = logging.getLogger(__name__)

LOCKS = "locks"


def cache_directory() -> Path:
    """Where it is: ``slurm-tasks`` in ``$XDG_CACHE_HOME``, else in ``~/.cache``."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    parent = Path(given) if os.path.isabs(given) else Path(os.path.expanduser("~"), ".cache")
    return parent / "slurm-tasks"


@contextlib.contextmanager
def alone(name: str, what: str) -> Iterator[int | None]:
    """One program at a time is inside, of those that say the same `name`; `what` says in the log what is waited for.

    Who is killed inside is out of it. Yields the descriptor that holds the lock: a program that is started with it holds
    it as well, for it may go on where this one is killed. Threads of one program wait for each other too.

    >>> with alone("my wheel", "my wheel is being built"):
    ...     pass
    """
    lock = _opened_lock(name)
    if lock is None:
        yield None
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("%s by another program: waiting for it", what)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _opened_lock(name: str) -> int | None:
    """One of a few hundred files: so they need never be removed, which would take two to hold one lock."""
    folder = _own_folder(LOCKS)
    if folder is None:
        return None
    path = folder / hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:2]
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        _say_once(str(path), str(error.strerror))
        return None


def _own_folder(*names: str) -> Path | None:
    """A directory in the cache that only this user can write to, made if need be; None where there can be none."""
    path = cache_directory().joinpath(*names)
    try:
        make_private_directory(str(path))
        for one in (cache_directory(), path):
            found = os.lstat(one)
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                raise AgentError("file", f"{one} is not your own directory")
            if found.st_mode & 0o022:
                raise AgentError("file", f"others can write to {one}")
    except (OSError, AgentError) as error:
        _say_once(str(path), getattr(error, "strerror", None) or str(error))
        return None
    return path


@functools.cache
def _say_once(path: str, why: str) -> None:
    logger.warning(
        "%s cannot be used, in which programs that start together share what they build: %s: set XDG_CACHE_HOME",
        path,
        why,
    )


class Kept:
    """A few files of one kind for each of some owners, the least recently used of which go.

    Whoever keeps or takes something is `alone` with the owner's name.

    >>> wheels = Kept("example", of_each=2, owners=50)
    >>> wheels.keep("my project", "as it is", {"mine.whl": b"..."})
    >>> wheels.take("my project", "as it is"), wheels.take("my project", "as it was")
    ({'mine.whl': b'...'}, None)
    """

    def __init__(self, kind: str, *, of_each: int, owners: int) -> None:
        self._kind = kind
        self._of_each = of_each
        self._owners = owners

    def take(self, owner: str, state: str) -> dict[str, bytes] | None:
        """What was kept for this state of the owner, or None."""
        folder = _own_folder(self._kind)
        if folder is None:
            return None
        place = folder / _short(owner) / _short(state)
        try:
            found = {one.name: one.read_bytes() for one in sorted(place.iterdir())}
            os.utime(place)
            os.utime(place.parent)
        except OSError:
            return None
        return found

    def keep(self, owner: str, state: str, files: Mapping[str, bytes]) -> None:
        """Keep files for this state of the owner, and let go of what is too much."""
        folder = _own_folder(self._kind, _short(owner))
        if folder is None:
            return
        place = folder / _short(state)
        new = folder / f".{place.name}.new"
        try:
            shutil.rmtree(new, ignore_errors=True)  # somebody was killed
            new.mkdir(mode=0o700)
            for name, content in files.items():
                with (new / name).open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())  # a power loss would leave an empty one
            shutil.rmtree(place, ignore_errors=True)
            new.rename(place)
            _keep_newest(folder, self._of_each)
            _keep_newest(folder.parent, self._owners)
        except OSError as error:
            _say_once(str(folder), str(error.strerror))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _keep_newest(folder: Path, most: int) -> None:
    with os.scandir(folder) as entries:
        found = [(one.stat(follow_symlinks=False).st_mtime_ns, one.path) for one in entries]
    for _, path in sorted(found)[: max(0, len(found) - most)]:
        shutil.rmtree(path, ignore_errors=True)
