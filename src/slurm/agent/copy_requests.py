"""Requests for frozen copies of a user's files: directories that are named by what is in them, and never change."""

import contextlib
import json
import os
import zlib
from typing import Any, Dict, List, Tuple

from .directories import (
    make_private_directory,
    remove,
    require_own_base,
    require_own_directory,
)
from .errors import AgentError
from .files import NO_LINKS, copy_part, sync_folder, unique_name
from .needed import copying
from .regular_files import open_regular
from .staging_requests import is_there

PLAIN, PROGRAM = 0o400, 0o500
SYNCED_AT_ONCE = 16


class CopyRequests:
    """The requests of an `Agent` for the directories below ``.packages/source``."""

    def op_copy(
        self,
        blob: bytes,
        place: str,
        store: str,
        listed: int = 0,
        contents: Any = (),
        staged: str = "",
        timeout: float = 0.0,
    ) -> Tuple[Any, bytes]:
        """Make sure of the directory `place`, a frozen copy, out of files in `store`, which are named by their content.

        The base of all jobs is two directories above the store; nothing is written into one that others can write to.

        Of `blob`, the first `listed` bytes are the compressed list of its files, ``[[path, sha256, whether it is a
        program]]``; what follows, or the file `staged`, are the compressed `contents`, ``[[sha256, size]]``, that are to
        be put into the store before. Answers ``{"ready": true}``, or what is wanted for that: ``{"list": true}``, or the
        `missing` ones of the store, by their SHA-256.
        """
        base = os.path.dirname(os.path.dirname(store))
        if not os.path.isdir(base):
            make_private_directory(base)
        require_own_base(base)
        if is_there(place):
            return {"ready": True}, b""
        for folder in (store, os.path.dirname(place)):
            make_private_directory(folder)
            require_own_directory(folder)
        if contents:
            _put(store, contents, _unpacked(blob[listed:], staged))
        if not listed:
            return {"ready": False, "list": True}, b""
        files = json.loads(zlib.decompress(blob[:listed]).decode("utf-8", "surrogateescape"))
        with copying(os.path.dirname(store)):
            wanted = {sha for _, sha, _ in files}
            missing = sorted(sha for sha in wanted if not is_there(os.path.join(store, sha)))
            if missing:
                return {"ready": False, "missing": missing}, b""
            _make(place, store, files)
        return {"ready": True}, b""


def _unpacked(blob: bytes, staged: str) -> Any:
    """What is packed in the blob or in the file, in pieces."""
    unpacker = zlib.decompressobj()
    if not staged:
        yield unpacker.decompress(blob)
    else:
        with open_regular(staged) as file:
            for piece in iter(lambda: file.read(1 << 20), b""):
                yield unpacker.decompress(piece)
    yield unpacker.flush()
    if not unpacker.eof:
        raise AgentError("file", "what was sent has an end missing: send it again")


def _put(store: str, contents: List[Any], pieces: Any) -> None:
    """Put files into the store, whole or not at all: all are written before the first is waited for."""
    import concurrent.futures.thread
    import hashlib

    buffer = b""
    written: List[Tuple[str, str]] = []
    try:
        for sha256, size in contents:
            checksum = hashlib.sha256()
            temporary = os.path.join(store, ".{}".format(unique_name()))
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PLAIN)
            written.append((temporary, os.path.join(store, sha256)))
            with os.fdopen(handle, "wb") as file:
                left = size
                while left:
                    buffer = buffer or next(pieces)
                    part, buffer = buffer[:left], buffer[left:]
                    checksum.update(part)
                    file.write(part)
                    left -= len(part)
            if checksum.hexdigest() != sha256:
                raise AgentError("file", "a file did not arrive as it was sent: send it again")
        # A disk takes many that wait at once in hardly more time than one.
        with concurrent.futures.thread.ThreadPoolExecutor(SYNCED_AT_ONCE) as pool:
            list(pool.map(sync_folder, [temporary for temporary, _ in written]))  # files as well
        for temporary, path in written:
            os.rename(temporary, path)
    except StopIteration:
        raise AgentError("file", "what was sent is shorter than it should be") from None
    finally:
        for temporary, _ in written:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
    sync_folder(store)


def _make(place: str, store: str, files: List[Any]) -> None:
    """Make the copy beside its place, and give it its name: other names for the files of the store."""
    temporary = os.path.join(os.path.dirname(place), ".{}".format(unique_name()))
    os.mkdir(temporary, 0o700)
    try:
        made: Dict[str, bool] = {"": True}
        for path, sha256, is_program in files:
            _require_inside(path)
            folder = os.path.dirname(path)
            if folder not in made:
                os.makedirs(os.path.join(temporary, folder), 0o700, exist_ok=True)
                made[folder] = True
            _name(os.path.join(store, sha256), os.path.join(temporary, path), is_program)
        os.rename(temporary, place)
    except OSError:
        if not os.path.isdir(place):  # nobody was quicker
            raise
    finally:
        remove(temporary)
    sync_folder(os.path.dirname(place))


def _name(source: str, path: str, is_program: bool) -> None:
    """Another name for a file of the store; a program's mode is another one, so it is a copy."""
    if not is_program:
        try:
            os.link(source, path)
            return
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        copy_part(file, source, 0, os.path.getsize(source))
        os.fchmod(handle, PROGRAM if is_program else PLAIN)


def _require_inside(path: str) -> None:
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or "" in parts or "\0" in path:
        raise AgentError("file", "{!r} is no path in a copy".format(path))
