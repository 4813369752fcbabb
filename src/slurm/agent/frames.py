"""Requests and answers on a pipe: frames of a JSON header and a blob."""

import contextlib
import errno
import fcntl
import json
import os
import struct
import sys
from typing import Any, Optional, Tuple, Union

NOISE_LIMIT = 1 << 20
SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ of Linux, which `fcntl` has from Python 3.10 on
PIPE_SIZE = 1 << 20  # bytes: what any user may have (pipe(7), /proc/sys/fs/pipe-max-size)
FRAME_MARK = b"slf\0"
FRAME_START = struct.Struct(">4sIQ")  # the mark, and the lengths of header and blob
LARGEST_FRAME = 1 << 30  # bytes
SKIPPED_AT_ONCE = 1 << 16  # bytes
IN_ONE_PIECE = COPIED_AT_ONCE = 1 << 20  # bytes


def widen(stream: Any) -> None:
    """Let a pipe hold more, where the system can do that: of a large file its two ends take fewer turns."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # it is no pipe, or its user has so many of them
            fcntl.fcntl(stream.fileno(), SET_PIPE_SIZE, PIPE_SIZE)


class FilePart:
    """`length` bytes of an open file, from `offset` on, as a blob that need not be read to be sent."""

    def __init__(self, file: Any, offset: int, length: int) -> None:
        self.file = file
        self.offset = offset
        self.length = length

    def __len__(self) -> int:
        return self.length

    def read(self) -> bytes:
        """The bytes themselves, as many as there are by now; the file is closed."""
        with self.file as file:
            file.seek(self.offset)
            content: bytes = file.read(self.length)
            return content

    def send(self, stream: Any) -> None:
        """Write them to a stream; the file is closed. Raises ``ValueError`` where it has become shorter meanwhile."""
        stream.flush()
        with self.file as file:
            offset, end = self.offset, self.offset + self.length
            while offset < end:
                count = _sent(stream.fileno(), file.fileno(), offset, end - offset)
                if not count:
                    raise ValueError("a file became shorter while it was sent")
                offset += count


Blob = Union[bytes, FilePart]


def _sent(target: int, source: int, offset: int, count: int) -> int:
    """Bytes that were copied from a file to a pipe, without a way through this process where that can be."""
    try:
        return os.sendfile(target, source, offset, count)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSOCK, errno.EOPNOTSUPP):
            raise
    piece = os.pread(source, min(count, COPIED_AT_ONCE), offset)
    left = memoryview(piece)
    while left:
        left = left[os.write(target, left) :]
    return len(piece)


def read_frame(stream: Any) -> Optional[Tuple[Any, Optional[bytes]]]:
    """The next ``(header, blob)``, or None at the end of the stream; no blob where there is no memory for it.

    Raises as `read_start`.
    """
    start = read_start(stream)
    if start is None:
        return None
    header, length = start
    try:
        return header, read_blob(stream, length)
    except EOFError:
        return None


def read_blob(stream: Any, length: int) -> Optional[bytes]:
    """The blob of a frame; None where there is no memory for it. Raises ``EOFError`` where the stream ends before it does."""
    try:
        blob = read_exactly(stream, length)
    except MemoryError:
        if length > LARGEST_FRAME:  # this is no frame
            raise
        for done in range(0, length, SKIPPED_AT_ONCE):
            read_exactly(stream, min(SKIPPED_AT_ONCE, length - done))
        return None
    if blob is None:
        raise EOFError
    return blob


def read_start(stream: Any) -> Optional[Tuple[Any, int]]:
    """The next frame's header, and the length of the blob that follows; None at the end of the stream.

    Skips what a background job of a login's start-up file printed in between; raises ``ValueError``
    for more of that than anybody would print.
    """
    start = read_exactly(stream, FRAME_START.size)
    skipped = 0
    while start is not None and not start.startswith(FRAME_MARK):
        more = read_exactly(stream, 1)
        start = None if more is None else start[1:] + more
        skipped += 1
        if skipped > NOISE_LIMIT:
            raise ValueError("no frame in {} bytes".format(skipped))
    if start is None:
        return None
    _, header_length, blob_length = FRAME_START.unpack(start)
    header = read_exactly(stream, header_length)
    return None if header is None else (json.loads(header.decode("utf-8")), blob_length)


def write_frame(stream: Any, header: Any, blob: Blob) -> None:
    encoded = json.dumps(header).encode("utf-8")
    start = FRAME_START.pack(FRAME_MARK, len(encoded), len(blob)) + encoded
    if isinstance(blob, FilePart):
        stream.write(start)
        blob.send(stream)
        return
    # In one piece: a second one may wait until the first is acknowledged.
    if len(blob) <= IN_ONE_PIECE:
        stream.write(start + blob)
    else:
        stream.write(start)
        stream.write(blob)
    stream.flush()


def read_exactly(stream: Any, count: int) -> Optional[bytes]:
    parts = []
    while count:
        part = stream.read(count)
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
