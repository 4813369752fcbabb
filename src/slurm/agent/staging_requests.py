"""Large files on their way into the directories of jobs."""

import os
from typing import Any, Tuple

from .directories import make_private_directory, require_own_directory, sweep
from .files import COPY_CHUNK, NO_LINKS, copy_part, replacing
from .regular_files import open_regular, require_regular

STAGED_KEPT = 86400.0  # seconds after which nobody will ask for one of them any more


class StagingRequests:
    """The requests of an `Agent` for the directory ``.staged``."""

    def op_stage(self, blob: bytes, path: str, size: int) -> Tuple[Any, bytes]:
        """Make ready for a large file that a job will need, by a name of no other content.

        Answers whether it is there, and if not, where to put it in pieces, and how long what is there
        already is. `op_staged` names it; from then on it stays until nobody has used it for a day.
        """
        folder = os.path.dirname(path)
        make_private_directory(folder)
        require_own_directory(folder)
        sweep(folder, STAGED_KEPT)
        if is_there(path):
            return {"whole": True}, b""
        part = path + ".part"
        how = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        with os.fdopen(os.open(part, how, 0o600), "wb") as file:
            found = os.fstat(file.fileno())
        require_regular(found, part)
        there = found.st_size
        return {"whole": False, "part": part, "there": min(there, size)}, b""

    def op_put(self, blob: bytes, path: str, offset: int) -> Tuple[Any, bytes]:
        """Write the blob into a file that is there; again is no harm."""
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(blob)
        return None, b""

    def op_staged(self, blob: bytes, path: str, sha256: str, timeout: float) -> Tuple[Any, bytes]:
        """Whether the file has arrived as it was sent; one that has not is removed.

        It is read once for that, which may take the client's `timeout`.
        """
        import hashlib

        if is_there(path):  # another client was quicker
            return True, b""
        part = path + ".part"
        checksum = hashlib.sha256()
        with open_regular(part) as file:
            os.fsync(file.fileno())
            for piece in iter(lambda: file.read(COPY_CHUNK), b""):
                checksum.update(piece)
            right = checksum.hexdigest() == sha256
        if right:
            os.rename(part, path)
        else:
            os.unlink(part)
        return right, b""


def is_there(path: str) -> bool:
    """Whether there is such a file or directory, which from now on is not old."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def adopt(staged: str, path: str) -> None:
    """Give a job its large file: another name for it, a copy where the file system has no such thing."""
    try:
        os.link(staged, path)
    except FileExistsError:  # of an earlier attempt at this submission
        pass
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        with replacing(path) as target:
            copy_part(target, staged, 0, os.path.getsize(staged))
