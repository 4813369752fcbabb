"""What is made in a directory is private, or also its group's, where the group may write in that directory."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def group_rights(folder: int | str | Path) -> int:
    """What the group may do in a directory, which may be an open one, if it may write there; else nothing.

    >>> Path("ours").mkdir()
    >>> Path("ours").chmod(0o770)
    >>> oct(group_rights("ours"))
    '0o70'
    """
    mode = os.stat(folder).st_mode
    return mode & 0o070 if mode & stat.S_IWGRP else 0


def share(made: int | str | Path, folder: int | str | Path) -> None:
    """Have the group do with a file or a directory, just made in `folder`, what it may do there. A umask does not count.

    Raises OSError.

    >>> Path("ours/ours too").mkdir(parents=True, mode=0o700)
    >>> Path("ours").chmod(0o770)
    >>> share("ours/ours too", "ours")
    >>> oct(Path("ours/ours too").stat().st_mode & 0o777)
    '0o770'
    """
    mode = os.stat(made).st_mode
    rights = group_rights(folder) & (0o070 if stat.S_ISDIR(mode) else 0o060)
    if mode & rights != rights:
        os.chmod(made, stat.S_IMODE(mode) | rights)


def make_directory(folder: Path) -> bool:
    """Make a directory, and `share` it; whether it was not there. Raises OSError."""
    folder.parent.stat()  # it is named, then, where it is not there
    try:
        folder.mkdir(0o700)
    except FileExistsError:
        return False
    share(folder, folder.parent)
    return True
