"""Requests for a directory with all that is in it, and for checksums of parts of files."""

import os
import stat
import time
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .errors import as_agent_error
from .files import COPY_CHUNK
from .regular_files import open_regular
from .users import expanded

SUMMING = 5.0  # seconds after which an answer has what is summed up by then


class TreeRequests:
    """The requests of an `Agent` for whole trees of files."""

    def op_tree(self, blob: bytes, path: str, most: int) -> Tuple[Any, bytes]:
        """What is in and under the directory `path` and is none: ``[name, size, mtime, inode, whether it is a file]``.

        At most `most` of them. A link is a file if it leads to one in the directory. Names are text as ``os.fsdecode``
        makes it of UTF-8, whatever this machine's own encoding. A directory that may not be read is named as no file.
        """
        root = os.path.realpath(os.fsencode(expanded(path)))
        os.listdir(root)  # what is not there, or is a file, is an error
        found: List[Any] = []
        for entry in _walk(root):
            if len(found) == most:
                return {"files": found, "complete": False}, b""
            found.append(entry)
        return {"files": found, "complete": True}, b""

    def op_sums(self, blob: bytes, parts: List[Any], timeout: float) -> Tuple[Any, bytes]:
        """The SHA-256 of parts ``[path, offset, length]`` of files, at least of the first; no more once it takes long.

        With each, how long the file is, when it was changed, and which it was; or the error that there is. `timeout` is
        for the client: the longest that one part may take besides.
        """
        began = time.monotonic()
        answers: List[Dict[str, Any]] = []
        for part in parts:
            try:
                answers.append(_sum(*part))
            except OSError as error:
                failure = as_agent_error(error)
                answers.append({"error": str(failure), "kind": failure.kind})
            if time.monotonic() - began > SUMMING:
                break
        return answers, b""


def _walk(root: bytes) -> Iterator[List[Any]]:
    """Everything below `root` but directories, each of which is entered once; what is removed meanwhile is passed over."""
    left = [b""]
    while left:
        name = left.pop()
        try:
            entries = sorted(os.scandir(os.path.join(root, name)), key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        except OSError:
            yield [_text(name), 0, 0, 0, False]
            continue
        for entry in entries:
            below = os.path.join(name, entry.name)
            if entry.is_dir(follow_symlinks=False):
                left.append(below)
                continue
            about = _about(root, entry)
            if about is not None:
                is_file = stat.S_ISREG(about.st_mode)
                yield [_text(below), about.st_size, about.st_mtime_ns, about.st_ino, is_file]


def _about(root: bytes, entry: Any) -> Optional[os.stat_result]:
    """What there is; of a link to a file in `root`, that file. None for what is gone."""
    try:
        if entry.is_symlink():
            real = os.path.realpath(entry.path)
            inside = real.startswith(os.path.join(root, b""))
            found = os.stat(real) if inside and os.path.exists(real) else None
            if found is not None and stat.S_ISREG(found.st_mode):
                return found
        return os.lstat(entry.path)
    except FileNotFoundError:
        return None


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _sum(path: str, offset: int, length: int) -> Dict[str, Any]:
    import hashlib

    checksum = hashlib.sha256()
    with open_regular(expanded(path)) as file:
        file.seek(offset)
        while length:
            piece = file.read(min(length, COPY_CHUNK))
            if not piece:
                break
            checksum.update(piece)
            length -= len(piece)
        found = os.fstat(file.fileno())
    about = {"size": found.st_size, "mtime": found.st_mtime_ns, "inode": found.st_ino}
    return dict(about, sha256=checksum.hexdigest())
