"""The frames of record files, in which the items of a pack leave what they have come to.

A frame is a header of a fixed size, its `notes` (a JSON object, or nothing), and its `body`. A file of them only grows,
by one frame after the other. Whoever reads it passes over what is torn, as it is where the writer was killed, the disk
was full or the machine lost its power: header and content have a checksum each, and the header says at which offset of
its file it stands.
"""

import struct
import zlib
from typing import Any, Container, Iterator, NamedTuple, Optional, Tuple

# Kinds of frames. What is shared holds for all items behind it, up to the next of its kind.
SHARED, VALUE, EXCEPTION = 1, 2, 3
# Where the body is: in the frame, in the result file of the item's own directory, or in the record file alone.
HERE, IN_DIRECTORY, LEFT_OUT = 0, 1, 2

MARK = b"slr\n"
_FIELDS = struct.Struct(">4sBBIQdddIQI")
_CHECKSUM = struct.Struct(">I")
HEADER = _FIELDS.size + _CHECKSUM.size  # bytes
NEVER = (0.0, 0.0, 0.0)

WINDOW = 1 << 20  # bytes that are read at once
WINDOW_OF_HEADERS = 1 << 14  # the same where bodies, which may be large, are passed over


class Frame(NamedTuple):
    """One frame: what `item` has come to, or what the items behind it share.

    - `times`: when the runner began with the item, when it called the function and when that had ended, in seconds since
      the epoch; 0 where it did not.
    - `offset`, `end`: where in its file it begins, and where what is behind it does; `size`: the bytes of its body, `place`:
      where that is. `checksum`: of the content; `whole`: whether that is as it was written, as far as it was looked at.
    """

    kind: int
    place: int
    item: int
    offset: int
    times: Tuple[float, float, float]
    notes: bytes
    body: bytes
    size: int
    checksum: int
    whole: bool
    end: int

    def encoded(self, body: bool = True) -> bytes:
        """Its bytes, without the body unless that is to be in them."""
        if self.place == HERE and not body:
            return encoded(self.kind, LEFT_OUT, *self[2:6], size=self.size)
        header = (MARK, *self[:4], *self.times, len(self.notes), self.size, self.checksum)
        return _with_header(header, self.notes, self.body)


def encoded(
    kind: int,
    place: int = HERE,
    item: int = 0,
    offset: int = 0,
    times: Tuple[float, float, float] = NEVER,
    notes: bytes = b"",
    body: bytes = b"",
    size: int = 0,
) -> bytes:
    """The bytes of a frame that stands at `offset` in its file; `size` is that of a body which is elsewhere."""
    checksum = zlib.crc32(body, zlib.crc32(notes))
    size = len(body) if place == HERE else size
    header = (MARK, kind, place, item, offset, *times, len(notes), size, checksum)
    return _with_header(header, notes, body)


def _with_header(header: Tuple[Any, ...], notes: bytes, body: bytes) -> bytes:
    fields = _FIELDS.pack(*header)
    return b"".join((fields, _CHECKSUM.pack(zlib.crc32(fields)), notes, body))


def frames_of(data: bytes) -> Iterator[Frame]:
    """The frames in bytes that were sent, wherever in their files they stand."""
    at = 0
    while at + HEADER <= len(data):
        header = _header(data, at)
        if header is None or at + HEADER + _content(header) > len(data):
            at = _next_mark(data, at)
            continue
        yield _frame(header, data, at, bodies=True)
        at += HEADER + _content(header)


def read_frames(
    file: Any,
    start: int = 0,
    limit: Optional[int] = None,
    bodies: bool = True,
    items: Optional[Container[int]] = None,
) -> Iterator[Frame]:
    """The frames of an open record file that begin at `start` or later, and end by `limit`.

    Without `bodies`, those are not read; with `items`, no other item's is.
    """
    size = file.seek(0, 2)
    last = size if limit is None else min(size, limit)
    least = WINDOW if bodies and items is None else WINDOW_OF_HEADERS  # bytes
    at, base, window = start, start, b""
    before: Optional[int] = None  # where the last frame began

    def look(length: int) -> None:
        """Have so many bytes from `at` on in the window."""
        nonlocal base, window
        if at < base or at + length > base + len(window):
            file.seek(at)
            base, window = at, file.read(max(length, least))

    while at + HEADER <= last:
        look(HEADER)
        header = _header(window, at - base)
        if header is None or header[4] != at or at + HEADER + _content(header) > last:
            if (
                before is not None
            ):  # that may be what is torn: its header tells of more than was written then
                at, before = before, None
                look(HEADER)
            at = base + _next_mark(window, at - base)
            continue
        with_body = bodies and (items is None or header[1] == SHARED or header[3] in items)
        look(HEADER + (_content(header) if with_body else header[8]))
        yield _frame(header, window, at - base, with_body)
        if items is not None:  # the next one may be as long
            least = WINDOW_OF_HEADERS + (_content(header) if with_body else 0)
        before, at = at, at + HEADER + _content(header)


def _header(data: bytes, at: int) -> Optional[Tuple[Any, ...]]:
    """The fields of the header that begins there; None where none does."""
    if not data.startswith(MARK, at) or at + HEADER > len(data):
        return None
    fields = data[at : at + _FIELDS.size]
    if _CHECKSUM.unpack_from(data, at + _FIELDS.size)[0] != zlib.crc32(fields):
        return None
    return _FIELDS.unpack(fields)


def _next_mark(data: bytes, at: int) -> int:
    """Where the next header may begin, after `at`."""
    found = data.find(MARK, at + 1)
    return found if found >= 0 else max(at + 1, len(data) - len(MARK) + 1)


def _content(header: Tuple[Any, ...]) -> int:
    """The bytes behind a header that are its frame's."""
    length: int = header[8] + (header[9] if header[2] == HERE else 0)
    return length


def _frame(header: Tuple[Any, ...], data: bytes, at: int, bodies: bool) -> Frame:
    _, kind, place, item, offset, *times, length, size, checksum = header
    begin = at + HEADER
    notes = data[begin : begin + length]
    body = data[begin + length : begin + _content(header)] if bodies else b""
    looked_at = bodies or place != HERE
    whole = not looked_at or zlib.crc32(body, zlib.crc32(notes)) == checksum
    end = offset + HEADER + _content(header)
    began, called, ended = times
    return Frame(
        kind, place, item, offset, (began, called, ended), notes, body, size, checksum, whole, end
    )
