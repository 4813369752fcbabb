"""Requests for files, small or in pieces."""

import os
from typing import Any, List, Optional, Tuple

from .directories import make_private_directory, remove
from .errors import AgentError
from .files import (
    NO_LINKS,
    OneOpen,
    copy_from,
    create_exclusive,
    create_in_place,
    replacing,
    write_atomic,
)
from .frames import Blob, FilePart
from .regular_files import open_regular
from .users import expanded

UNSENT = -1  # in the place of a length
LITTLE = 1 << 16  # bytes of a file, which are read; more are sent as they are


class FileRequests:
    """The requests of an `Agent` for files."""

    def op_read(self, blob: bytes, path: str, offset: int = 0, size: int = -1) -> Tuple[Any, Blob]:
        """`size` bytes of a file, or the rest; and how long the whole is, and which file it was."""
        file = open_regular(expanded(path))
        try:
            found = os.fstat(file.fileno())
            about = {"size": found.st_size, "inode": found.st_ino, "mtime": found.st_mtime_ns}
            left = max(0, found.st_size - offset)
            length = left if size < 0 else min(size, left)
            if length > LITTLE:
                return about, FilePart(file, offset, length)
            if offset:  # a pipe has none
                file.seek(offset)
            content = file.read(size)
        except BaseException:
            file.close()
            raise
        file.close()
        return about, content

    def op_read_many(
        self, blob: bytes, paths: List[str], most: int, largest: int
    ) -> Tuple[Any, bytes]:
        """The first of these files that fit into `most` bytes, at least one; their lengths, None for one not there.

        One of more than `largest` bytes is `UNSENT`.
        """
        lengths: List[Optional[int]] = []
        parts: List[bytes] = []
        for path in paths:
            try:
                with open_regular(expanded(path)) as file:
                    size = os.fstat(file.fileno()).st_size
                    if size > largest:
                        lengths.append(UNSENT)
                        continue
                    if parts and sum(map(len, parts)) + size > most:
                        break
                    parts.append(file.read())
                    lengths.append(len(parts[-1]))
            except FileNotFoundError:
                lengths.append(None)
        return lengths, b"".join(parts)

    def op_tail(self, blob: bytes, path: str, size: int) -> Tuple[Any, bytes]:
        with open_regular(expanded(path)) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return None, file.read(size)

    def op_write(
        self, blob: bytes, path: str, exclusive: bool, claim: str = ""
    ) -> Tuple[Any, bytes]:
        """Write a file; with `exclusive` only where there is none. Answers whether it was written.

        A `claim` lets the request be repeated: it is a name beside `path` that stays as proof that the
        file is this request's, until who asked removes it.
        """
        path = expanded(path)
        make_private_directory(os.path.dirname(path))
        if not exclusive:
            write_atomic(path, blob)
            return True, b""
        if not claim:
            return create_exclusive(path, blob), b""
        proof = os.path.join(os.path.dirname(path), claim)
        create_exclusive(proof, blob)
        try:
            os.link(proof, path)
        except FileExistsError:
            if not os.path.samefile(proof, path):
                os.unlink(proof)
                return False, b""
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            return create_in_place(path, blob), b""
        return True, b""

    def op_assemble(
        self, blob: bytes, path: str, sources: List[str], parts: List[Any]
    ) -> Tuple[Any, bytes]:
        """Write a file out of pieces: ``[length]`` of what is next in `blob`, ``[number, offset, length]`` of a source."""
        path = expanded(path)
        make_private_directory(os.path.dirname(path))
        at = 0
        with replacing(path) as target, OneOpen(sources) as opened:
            for part in parts:
                if len(part) == 1:
                    target.write(blob[at : at + part[0]])
                    at += part[0]
                else:
                    number, offset, length = part
                    copy_from(opened.file(number), target, offset, length, sources[number])
        return None, b""

    def op_listdir(self, blob: bytes, path: str) -> Tuple[Any, bytes]:
        return sorted(os.listdir(expanded(path))), b""

    def op_exists(self, blob: bytes, path: str) -> Tuple[Any, bytes]:
        return os.path.exists(expanded(path)), b""

    def op_mkdir(self, blob: bytes, path: str) -> Tuple[Any, bytes]:
        path = expanded(path)
        make_private_directory(path)
        if not os.access(path, os.W_OK | os.X_OK):
            raise AgentError("file", "Permission denied: {!r}".format(path))
        return path, b""

    def op_remove(self, blob: bytes, path: str) -> Tuple[Any, bytes]:
        remove(expanded(path))
        return None, b""
