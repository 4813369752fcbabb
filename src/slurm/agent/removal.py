"""Removing files and directories one by one: whoever does it can do other things in between."""

import contextlib
import os
import stat
from typing import Container, Iterator, List, NamedTuple, Optional, Tuple

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def removed(path: str) -> None:
    """Remove what is at `path`, as `removing` does."""
    for _ in removing(path):
        pass


def removing(path: str, last: Container[str] = ()) -> Iterator[None]:
    """Remove a file, or a directory with all in it, whatever its permissions; no link is followed.

    What is gone already is removed. Raises the OSError of the first that cannot be removed when all others are. Of a
    directory, the names in `last` go after all others.
    """
    folder, name = os.path.split(path)
    problem: Optional[OSError] = None
    try:
        parent = os.open(folder, FOLDER)
    except FileNotFoundError:
        return
    try:
        for error in _removing(parent, name, last):
            problem = problem or error
            yield
    finally:
        os.close(parent)
    if problem is not None:
        raise problem


class _Open(NamedTuple):
    """A directory that is being emptied: where it is, its name there, and what is left in it."""

    parent: int
    name: str
    handle: int
    names: List[str]


def _removing(parent: int, name: str, last: Container[str]) -> Iterator[Optional[OSError]]:
    """What became of each: None, or the error. Open directories are on a stack: trees may be deep."""
    stack: List[_Open] = []
    try:
        opened, error = _unlinked(parent, name)
        yield error
        if opened is not None:
            opened.names.sort(key=lambda one: one not in last)
            stack.append(opened)
        while stack:
            top = stack[-1]
            if top.names:
                opened, error = _unlinked(top.handle, top.names.pop())
                if opened is not None:
                    stack.append(opened)
            else:
                stack.pop()
                os.close(top.handle)
                error = _rmdir(top)
            yield error
    finally:
        for one in stack:
            os.close(one.handle)


def _unlinked(parent: int, name: str) -> Tuple[Optional[_Open], Optional[OSError]]:
    """Remove a name; a directory is opened instead."""
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        pass
    except OSError as error:
        try:
            if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                handle = _opened(parent, name)
                return _Open(parent, name, handle, os.listdir(handle)), None
        except FileNotFoundError:
            return None, None
        except OSError as other:
            return None, other
        return None, error
    return None, None


def _opened(parent: int, name: str) -> int:
    """The directory, in which names can be removed from now on."""
    try:
        handle = os.open(name, FOLDER, dir_fd=parent)
    except PermissionError:
        os.chmod(name, stat.S_IRWXU, dir_fd=parent)
        handle = os.open(name, FOLDER, dir_fd=parent)
    if os.fstat(handle).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        with contextlib.suppress(OSError):  # who may not, will not be able to remove what is in it
            os.fchmod(handle, stat.S_IRWXU)
    return handle


def _rmdir(one: _Open) -> Optional[OSError]:
    try:
        os.rmdir(one.name, dir_fd=one.parent)
    except FileNotFoundError:
        pass
    except OSError as error:
        return error
    return None
