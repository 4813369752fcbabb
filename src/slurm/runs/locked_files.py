"""Files that several people and programs change: under a lock beside them, replaced whole, and never behind one's back.

Whoever uses these functions waits for a lock; an editor does not. So what is about to be replaced is compared with what
was read, up to the moment of the rename: where it is another text by then, the change is computed again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from slurm.agent.files import replacing, sync_folder
from slurm.agent.json_files import LARGEST
from slurm.agent.regular_files import open_regular
from slurm.errors import SlurmError
from slurm.runs.sharing import group_rights

PATIENCE = 60.0  # seconds to wait for a lock, which is held while a small file is written
PAUSE = 0.05

Failure = Callable[[str], SlurmError]


class _Changed(Exception):  # never leaves this module
    """The file is not what it was when it was read."""


def read_bytes(path: Path) -> bytes | None:
    """What a file holds; None where there is none. Raises OSError."""
    try:
        with open_regular(str(path)) as file:
            content: bytes = file.read(LARGEST + 1)
    except FileNotFoundError:
        return None
    if len(content) > LARGEST:
        raise OSError(errno.EFBIG, f"it is larger than {LARGEST >> 20} MiB", str(path))
    return content


@contextlib.contextmanager
def locked(path: Path, failure: Failure) -> Iterator[None]:
    """``with locked(path, failure):`` be the only one who changes the file, of those who use this. Raises `failure`."""
    from filelock import FileLock, Timeout

    beside = path.with_name(f".{path.name}.lock")
    # Whoever may rename a file there may lock it.
    mode = 0o600 | group_rights(path.parent) & 0o060
    lock = FileLock(str(beside), timeout=PATIENCE, mode=mode)
    try:
        lock.acquire(poll_interval=PAUSE)
    except NotImplementedError:
        raise failure(f"{path}: its file system has no locks") from None
    except Timeout:
        raise failure(
            f"{path}: another process has held {beside.name} for {PATIENCE:g} seconds; try again when it has ended"
        ) from None
    try:
        yield
    finally:
        lock.release()


def change(
    path: Path,
    function: Callable[[bytes | None], bytes],
    failure: Failure,
    *,
    mode: int | None = None,
    sync: bool = False,
) -> bytes:
    """Replace what a file holds with what `function` makes of it, None being no file; returns that.

    `function` may be called again, and then with the lock held: it does nothing but compute. Of a symbolic link, the
    file that it leads to is replaced. A file keeps its mode; a new one gets `mode`, and where the group may write in
    its directory, what that may; or else what its directory allows.
    With `sync`, a new name survives a crash of the machine. An OSError becomes a `failure`, of one line.
    """
    real = Path(os.path.realpath(path))
    with said(path, failure):
        before = read_bytes(real)
        after = function(before)
        if after == before:
            return after
        _require_writable(real)
        with locked(real, failure):
            _remove_left_over(real)
            while True:
                current = read_bytes(real)
                if current != before:  # somebody was here meanwhile
                    before, after = current, function(current)
                if after == before:
                    return after
                with contextlib.suppress(_Changed):
                    _replace(real, before, after, mode)
                    break
        if sync:
            sync_folder(str(real.parent))
    return after


def _replace(path: Path, before: bytes | None, after: bytes, mode: int | None) -> None:
    # The steps that a killed process may end between: a file beside it, its content, the rename. `replacing` does
    # the first and the last.
    about = _about(path)
    if about is not None:
        mode = stat.S_IMODE(about.st_mode)
    elif mode is None:
        mode = 0o600 | (stat.S_IMODE(path.parent.stat().st_mode) & 0o064)
    else:
        mode |= group_rights(path.parent) & 0o060
    with replacing(str(path), mode, sync=False) as file:
        if about is not None and about.st_gid != os.fstat(file.fileno()).st_gid:
            with contextlib.suppress(PermissionError):  # of a group that this user is not in
                os.fchown(file.fileno(), -1, about.st_gid)
        file.write(after)
        file.flush()
        os.fsync(file.fileno())
        if read_bytes(path) != before:
            raise _Changed


def _about(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _require_writable(path: Path) -> None:
    """Raise `PermissionError` for a file that is not to be written, which a rename would not ask."""
    about = _about(path)
    if about is not None and (not about.st_mode & 0o222 or not os.access(path, os.W_OK)):
        raise PermissionError(None, "it is read-only", str(path))


def _remove_left_over(path: Path) -> None:
    """Remove what killed processes have left beside the file. Nobody else writes there: the lock is held."""
    mine = re.compile(rf"\.{re.escape(path.name[:60])}\.[0-9a-f]{{16}}\Z")
    for name in os.listdir(path.parent):
        if mine.match(name):
            with contextlib.suppress(OSError):
                os.unlink(path.with_name(name))


@contextlib.contextmanager
def said(path: Path, failure: Failure) -> Iterator[None]:
    """``with said(path, failure):`` have an OSError raised as a `failure` that says in one line what is wrong where."""
    try:
        yield
    except OSError as error:
        where = str(error.filename or path)
        reason = (error.strerror or str(error)).strip()
        reason = {
            "Is a directory": "it is a directory",
            "No such file or directory": "it is not there",
        }.get(reason, reason[:1].lower() + reason[1:])
        real = os.path.realpath(path)
        if os.path.basename(where).startswith(f".{os.path.basename(real)[:60]}."):
            reason = f"{reason}, in its directory"  # a lock, or what would have been renamed
        elif os.path.realpath(where) != real:
            reason = f"{reason} ({where})"
        raise failure(f"{path}: {reason}") from None
