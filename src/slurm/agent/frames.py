"""Requests and answers on a pipe: frames of a JSON header and a blob."""

import json
import struct
from typing import Any, Optional, Tuple

NOISE_LIMIT = 1 << 20
FRAME_MARK = b"slf\0"
FRAME_START = struct.Struct(">4sIQ")  # the mark, and the lengths of header and blob
LARGEST_FRAME = 1 << 30  # bytes
SKIPPED_AT_ONCE = 1 << 16  # bytes
IN_ONE_PIECE = 1 << 20  # bytes


def read_frame(stream: Any) -> Optional[Tuple[Any, Optional[bytes]]]:
    """The next ``(header, blob)``, or None at the end of the stream; no blob where there is no memory for it.

    Skips what a background job of a login's start-up file printed in between; raises ``ValueError``
    for more of that than anybody would print.
    """
    start = _read_exactly(stream, FRAME_START.size)
    skipped = 0
    while start is not None and not start.startswith(FRAME_MARK):
        more = _read_exactly(stream, 1)
        start = None if more is None else start[1:] + more
        skipped += 1
        if skipped > NOISE_LIMIT:
            raise ValueError("no frame in {} bytes".format(skipped))
    if start is None:
        return None
    _, header_length, blob_length = FRAME_START.unpack(start)
    header = _read_exactly(stream, header_length)
    if header is None:
        return None
    try:
        blob = _read_exactly(stream, blob_length)
    except MemoryError:
        if blob_length > LARGEST_FRAME:  # this is no frame
            raise
        for done in range(0, blob_length, SKIPPED_AT_ONCE):
            _read_exactly(stream, min(SKIPPED_AT_ONCE, blob_length - done))
        return json.loads(header.decode("utf-8")), None
    if blob is None:
        return None
    return json.loads(header.decode("utf-8")), blob


def write_frame(stream: Any, header: Any, blob: bytes) -> None:
    encoded = json.dumps(header).encode("utf-8")
    start = FRAME_START.pack(FRAME_MARK, len(encoded), len(blob)) + encoded
    # In one piece: a second one may wait until the first is acknowledged.
    if len(blob) <= IN_ONE_PIECE:
        stream.write(start + blob)
    else:
        stream.write(start)
        stream.write(blob)
    stream.flush()


def _read_exactly(stream: Any, count: int) -> Optional[bytes]:
    parts = []
    while count:
        part = stream.read(count)
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
