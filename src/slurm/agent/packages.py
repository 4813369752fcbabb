"""What lies below a ``job_base_dir`` for many jobs: copies of code, environments, wheels, images, the SDK."""

import contextlib
import fcntl
import os
import re
import stat
from typing import Dict, Iterator, List, Optional, Set, Tuple

from .errors import AgentError

PACKAGES, SDK = ".packages", ".sdk"
SOURCE, ENVIRONMENTS, WHEELS, CONTENTS, IMAGES = "source", "env", "wheels", "contents", "images"
ADDRESS = "[0-9a-f]{16}"
Content = Tuple[str, os.stat_result]
CONTENT = re.compile("[0-9a-f]{64}$")
REMOVED = ".removed-"
UNDER_WAY = "[.]{}$".format(ADDRESS)  # the name of what is not whole yet
READY = ".ready"
BELOW = "below"  # in an environment, a link to the one that it is on top of
# Where what is there has which names, and what kind it is. Nothing else is known, and nothing else is ever removed.
PLACES = (
    (os.path.join(PACKAGES, SOURCE), re.compile("(?:.+-)?{}$".format(ADDRESS)), "source"),
    (os.path.join(PACKAGES, ENVIRONMENTS), re.compile(ADDRESS + "$"), "environment"),
    (os.path.join(PACKAGES, WHEELS), re.compile(ADDRESS + "$"), "wheels"),
    (PACKAGES, re.compile(ADDRESS + "$"), "image"),
    (
        os.path.join(PACKAGES, IMAGES),
        re.compile(".+-{}-(image|root)-(tar|sqsh)$".format(ADDRESS)),
        "image",
    ),
    (SDK, re.compile(ADDRESS + "$"), "SDK"),
)


class Package:
    """One directory: its `name` below the base, its `kind`, and when it was last `used`, in nanoseconds."""

    def __init__(self, base: str, name: str, kind: str) -> None:
        self.path: str = os.path.join(base, name)
        self.name = name
        self.kind: str = kind
        if kind == "image" and any(one.endswith(".whl") for one in os.listdir(self.path)):
            self.kind = "wheel"
        self.used: int = self.last_used()

    def last_used(self) -> int:
        """When it was, as its marks say now. Raises FileNotFoundError where it is gone."""
        marks = [self.path]
        if self.kind == "environment":
            ready = os.path.join(self.path, READY)
            marks = [ready] if os.path.exists(ready) else marks
        elif self.kind in ("image", "wheel"):
            marks += [os.path.join(self.path, one) for one in os.listdir(self.path)]
            marks += [os.path.join(one, READY) for one in marks[1:]]
        return max(changed(mark) for mark in marks)

    def locks(self) -> List[str]:
        """The files that are locked by whoever makes it, or something in it."""
        if self.kind == "environment":
            return [self.path + ".lock"]
        return [os.path.join(self.path, ".lock")] if self.kind in ("image", "wheel") else []


def below(base: str, name: str) -> List[str]:
    """The environment that the package of this name is on top of, if it is one that is."""
    folder = os.path.join(PACKAGES, ENVIRONMENTS)
    if os.path.dirname(name) != folder:
        return []
    try:
        target = os.path.basename(os.readlink(os.path.join(base, name, BELOW)))
    except OSError:
        return []
    return [os.path.join(folder, target)] if re.match(ADDRESS + "$", target) else []


def packages_in(base: str) -> Iterator[Package]:
    """Everything that is known, kind by kind; what is removed meanwhile is passed over."""
    for folder, names, kind in PLACES:
        for name in _directories(base, folder):
            if names.match(name):
                try:
                    yield Package(base, os.path.join(folder, name), kind)
                except FileNotFoundError:
                    continue


def contents_in(base: str) -> Iterator[Content]:
    """The files that copies and wheels are made of, each once."""
    for entry in entries_in(base, os.path.join(PACKAGES, CONTENTS)):
        if CONTENT.match(entry.name):
            try:
                yield entry.path, os.lstat(entry.path)
            except FileNotFoundError:
                continue


def left_behind(base: str, before: float) -> Iterator[str]:
    """What somebody was removing who was killed, and what somebody was making, if nothing was done to it since `before`."""
    for folder, _, _ in PLACES:
        for name in _directories(base, folder):
            path = os.path.join(base, folder, name)
            if re.match(REMOVED + ADDRESS + "$", name) or (
                re.match(UNDER_WAY, name) and _is_older(path, before)
            ):
                yield path
    for entry in entries_in(base, os.path.join(PACKAGES, CONTENTS)):
        if re.match(UNDER_WAY, entry.name) and _is_older(entry.path, before):
            yield entry.path


def _is_older(path: str, before: float) -> bool:
    try:
        return os.lstat(path).st_mtime < before
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def locked_here(paths: List[str]) -> Iterator[bool]:
    """``with locked_here(package.locks()) as alone:`` nobody makes it meanwhile; unless somebody does right now."""
    with contextlib.ExitStack() as held:
        alone = True
        for path in paths:
            try:
                handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
            except FileNotFoundError:
                continue
            held.callback(os.close, handle)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                alone = False
        yield alone


class Disk:
    """Adds up what files take on the disk; one with several names counts once.

    With `whole`, such a file counts when its last name was added: what would be free if all that was added were removed.
    """

    def __init__(self, whole: bool = False) -> None:
        self.total: int = 0
        self._whole = whole
        self._names: Dict[Tuple[int, int], int] = {}

    def add(self, path: str, found: Optional[os.stat_result] = None) -> int:
        """Add a file, whose `found` may be known, or a directory with all in it; returns what it takes by itself."""
        own = 0
        once: Set[Tuple[int, int]] = set()
        for one in _stats(path) if found is None else (found,):
            size = one.st_blocks * 512
            if stat.S_ISDIR(one.st_mode) or one.st_nlink == 1:
                self.total += size
                own += size
                continue
            inode = (one.st_dev, one.st_ino)
            own += 0 if inode in once else size
            once.add(inode)
            names = self._names[inode] = self.names_of(one) + 1
            self.total += size if names == (one.st_nlink if self._whole else 1) else 0
        return own

    def names_of(self, found: os.stat_result) -> int:
        """How many names of a file with several were added."""
        return self._names.get((found.st_dev, found.st_ino), 0)


def _stats(path: str) -> Iterator[os.stat_result]:
    """What is there and below, links as such."""
    left = [path]
    while left:
        path = left.pop()
        try:
            found = os.lstat(path)
            yield found
            if stat.S_ISDIR(found.st_mode):
                left += [os.path.join(path, name) for name in os.listdir(path)]
        except (FileNotFoundError, PermissionError):
            continue


def changed(path: str) -> int:
    """When it was last changed, in nanoseconds. Over NFS only who opens it is told what other machines have done to it since."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:  # a link, or what may not be read
        return _mtime(path)
    try:
        return os.fstat(handle).st_mtime_ns
    finally:
        os.close(handle)


def _mtime(path: str) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _directories(base: str, folder: str) -> List[str]:
    found = entries_in(base, folder)
    return sorted(entry.name for entry in found if entry.is_dir(follow_symlinks=False))


def entries_in(base: str, folder: str) -> List["os.DirEntry[str]"]:
    """What is in a folder below the base; nothing where there is none. Raises `AgentError` for a link on the way."""
    path = base
    for part in folder.split(os.sep):
        path = os.path.join(path, part)
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return []
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise AgentError("file", path + " is not a directory of yours: remove it")
    with os.scandir(path) as entries:
        return list(entries)
