"""Whether a file may be believed that nobody named: one found by climbing from the working directory.

A Slurmfile names commands, interpreters and classes, and a ``pyproject.toml`` what builds it: whoever writes such
a file into a directory above somebody's working directory (``/tmp``, a shared scratch) has that run as them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from slurm.agent.directories import is_private_group
from slurm.errors import ConfigError

NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def require_trusted(path: Path, consent: str) -> None:
    """Raises `ConfigError` where somebody else than the user and root could have written the file at `path`.

    Both the file and its directory count; of a link what it leads to as well. `consent` says how to allow it.
    """
    reason = distrust(path) or distrust(path.resolve())
    if reason:
        raise ConfigError(
            f"{path} is not read, for nobody named it and {reason}: it could have anything run as you. {consent}"
        )


@contextlib.contextmanager
def looking_for(name: str) -> Iterator[None]:
    """Raises `ConfigError` where the search for `name` that stands inside comes to what this user cannot look into."""
    try:
        yield
    except OSError as error:
        where = error.filename or "the working directory"
        raise ConfigError(f"{name} cannot be looked for: {where}: {error.strerror}") from None


def is_file(path: Path) -> bool:
    """Whether a file is at `path`. Raises OSError where nobody can tell, which ``Path.is_file`` does up to Python 3.13."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError as error:
        if error.errno in NOT_THERE:
            return False
        raise


def distrust(path: Path) -> str:
    """Who else could have written the file at `path`; empty if nobody.

    >>> distrust(Path("/etc/passwd"))
    ''
    """
    about = os.stat(path)
    if about.st_uid not in (0, os.getuid()):
        return f"it belongs to {_user(about.st_uid)}"
    if _others_can_write(about):
        return "others can write to it"
    folder = os.stat(path.parent)
    if folder.st_uid not in (0, os.getuid()):
        return f"{path.parent} belongs to {_user(folder.st_uid)}"
    return f"others can write to {path.parent}" if _others_can_write(folder) else ""


def _others_can_write(about: os.stat_result) -> bool:
    if about.st_mode & stat.S_IWOTH:
        return True
    group = bool(about.st_mode & stat.S_IWGRP)
    return group and about.st_gid != 0 and not is_private_group(about.st_gid)


def _user(uid: int) -> str:
    import pwd

    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
