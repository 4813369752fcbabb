"""Directories: private ones, whose they are, and what is removed from them."""

import contextlib
import os
import pwd
import stat
import time

from .errors import AgentError
from .users import user_name

SWEPT = ".swept"  # behind the name of a directory: the file that was changed when it was last gone through
SWEEP_EVERY = 3600.0  # seconds


def make_private_directory(path: str) -> bool:
    """Create `path` and what is missing above it, every new folder with mode 0700; returns whether it was missing."""
    try:
        return _made(path)
    except FileNotFoundError:
        parent = os.path.dirname(path)
        if parent in ("", path):
            raise
        make_private_directory(parent)
        return _made(path)


def _made(path: str) -> bool:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise AgentError("file", path + " exists and is not a directory") from None
        return False
    return True


def require_own_directory(path: str) -> None:
    """Refuse a directory in which another user could have put, or could put, something to be run or believed."""
    if not _is_own(os.lstat(path)):
        raise AgentError(
            "file",
            "{} is not a directory that only you can write to: remove it, or choose another "
            "job_base_dir".format(path),
        )


def require_own_base(base: str) -> None:
    """The same for the directory that holds all others, which may be a link to where there is room."""
    if not _is_own(os.stat(base)):
        like = ", such as {}/{}".format(base, user_name()) if os.access(base, os.W_OK) else ""
        raise AgentError(
            "file",
            "other users can write to {}, and so change what your jobs run: choose a job_base_dir "
            "of your own{}".format(base, like),
        )


def _is_own(found: os.stat_result) -> bool:
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o002:
        return False
    return not found.st_mode & 0o020 or is_private_group(found.st_gid)


def is_private_group(gid: int) -> bool:
    """Whether this user alone is in the group, as is so with the own group that many systems give users."""
    import grp

    try:
        user = pwd.getpwuid(os.getuid())
        group = grp.getgrgid(gid)
    except KeyError:
        return False
    return (
        user.pw_gid == gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
    )


def remove(path: str) -> None:
    """Remove a file or a whole directory; what is not there is removed already."""
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            import shutil

            shutil.rmtree(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        pass


def sweep(folder: str, age: float) -> None:
    """Remove what dead clients have left in `folder`: what nobody has touched for `age` seconds.

    Once in an hour: who submits a job does not look at all that others have there.
    """
    mark = folder + SWEPT
    with contextlib.suppress(FileNotFoundError):
        if abs(time.time() - os.stat(mark).st_mtime) < SWEEP_EVERY:
            return
    with contextlib.suppress(OSError), open(mark, "wb"):  # the disk may be full
        os.utime(mark)
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):  # somebody else is doing the same
            if time.time() - entry.stat(follow_symlinks=False).st_mtime > age:
                remove(entry.path)
