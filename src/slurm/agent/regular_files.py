"""Files of bytes, and nothing else that may stand in their place."""

import errno
import os
import stat
from typing import Any

KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_regular(path: str) -> Any:
    """The file at `path`, open to read its bytes. Raises OSError, also for what is no file of bytes.

    A named pipe would have its reader wait for ever, a device may never end.
    """
    require_regular(os.stat(path), path)  # to open a device may do something already
    # Without O_NONBLOCK it would wait where a pipe has taken the place of the file since.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        require_regular(os.fstat(handle), path)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def require_regular(found: os.stat_result, path: str) -> None:
    """Raise the OSError that says what `path` is, unless it is a file of bytes."""
    if stat.S_ISREG(found.st_mode):
        return
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    kind = next((name for is_one, name in KINDS if is_one(found.st_mode)), "something else")
    raise OSError(errno.EINVAL, "Not a regular file but {}".format(kind), path)
