"""Record files: what is whole in one is found, whatever became of the rest."""

from __future__ import annotations

import io
import pickle

from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.recorded import NOON, RecordFile

from slurm.agent.record_frames import (
    EXCEPTION,
    HEADER,
    IN_DIRECTORY,
    LEFT_OUT,
    MARK,
    SHARED,
    VALUE,
    WINDOW,
    WINDOW_OF_HEADERS,
    Frame,
    encoded,
    frames_of,
    read_frames,
)

FILE = RecordFile().value(3, "three").error(4, ValueError("four")).elsewhere(5).value(6, [6])


def read(content: bytes, start: int = 0, limit: int | None = None) -> list[Frame]:
    """The frames of a file, the same with and without their bodies."""
    whole = list(read_frames(io.BytesIO(content), start, limit))
    headers = list(read_frames(io.BytesIO(content), start, limit, bodies=False))
    assert [one[:6] for one in headers] == [one[:6] for one in whole]
    assert [one.end for one in headers] == [one.end for one in whole]
    return whole


def test_frames_say_what_items_have_come_to() -> None:
    shared, three, four, five, six = read(FILE.content)
    assert [one.kind for one in (shared, three, four, five, six)] == [
        *(SHARED, VALUE, EXCEPTION, VALUE, VALUE)
    ]
    assert (three.item, pickle.loads(three.body)) == (3, "three")  # noqa: S301 - made above
    assert three.times == (NOON + 3, NOON + 3.25, NOON + 3.5)
    assert four.notes == b'{"error": "ValueError: four"}'
    assert (five.place, five.body) == (IN_DIRECTORY, b"")
    assert [one.offset for one in (shared, three)] == [0, len(FILE.frames[0])]
    assert six.end == len(FILE.content)
    assert b"".join(one.encoded() for one in read(FILE.content)) == FILE.content


def test_a_frame_may_be_sent_without_its_body() -> None:
    [one] = frames_of(read(FILE.content)[1].encoded(body=False))
    assert (one.item, one.place, one.body, one.whole) == (3, LEFT_OUT, b"", True)
    assert one.size == len(pickle.dumps("three"))
    assert one.encoded() == one.encoded(body=False)


@given(st.integers(0, len(FILE.content)))
def test_what_is_whole_in_any_beginning_of_a_file_counts(length: int) -> None:
    """Its writer was killed, or the machine lost its power."""
    found = read(FILE.content[:length])
    assert b"".join(one.encoded() for one in found) == b"".join(FILE.frames[: len(found)])
    assert length - sum(map(len, FILE.frames[: len(found)])) < len((*FILE.frames, b"!")[len(found)])


@given(st.integers(0, len(FILE.content) - 1), st.integers(1, 255))
def test_any_byte_that_was_altered_is_noticed_and_hides_no_other_frame(at: int, by: int) -> None:
    content = bytearray(FILE.content)
    content[at] ^= by
    found = {one.offset: one for one in read_frames(io.BytesIO(bytes(content)))}
    sound = {one.offset: one for one in read_frames(io.BytesIO(FILE.content))}
    altered = [one for one in sound.values() if one.offset <= at < one.end]
    assert len(altered) == 1
    damaged = found.pop(altered[0].offset, None)
    assert damaged is None or not damaged.whole
    assert found == {k: one for k, one in sound.items() if one is not altered[0]}
    if damaged is not None:  # and whoever gets it notices as well
        [sent] = frames_of(damaged.encoded())
        assert not sent.whole


@given(st.lists(st.integers(0, len(FILE.frames) - 1), min_size=1), st.binary(max_size=40))
def test_what_is_torn_in_the_middle_is_passed_over(torn: list[int], rubbish: bytes) -> None:
    """A part of a frame could not be taken away again from a disk that is full."""
    content: bytes = b""
    kept: list[int] = []
    for number, frame in enumerate(FILE.frames):
        if number in torn:
            content += frame[: len(frame) // 2] + rubbish
        else:
            [one] = frames_of(frame)
            whole = encoded(*one[:2], one.item, len(content), one.times, one.notes, one.body)
            content, kept = content + whole, [*kept, one.item]
    found = read_frames(io.BytesIO(content))
    assert [one.item for one in found if one.whole] == kept
    headers = read_frames(io.BytesIO(content), bodies=False)
    assert {one.item for one in headers} >= set(kept)


def test_a_frame_within_a_result_is_none_of_the_file() -> None:
    inner = RecordFile().value(1, 1).content
    content = RecordFile().value(7, inner).content
    assert [one.item for one in read(content)] == [0, 7]
    begin = content.index(MARK, content.index(inner) + 1)
    assert [one.item for one in read(content, start=begin)] == []


def test_large_files_are_read_in_windows() -> None:
    file = RecordFile()
    for window in (WINDOW, WINDOW_OF_HEADERS):
        file = RecordFile()
        for item, size in enumerate((window - HEADER, 1, window, window * 3, 0, 2)):
            file.value(item, bytes(size))
        assert [one.item for one in read(file.content)] == [0, *range(6)]
    hole = bytes(len(file.frames[1]) - 1)  # as a crash may leave in the place of data
    torn = b"".join([file.frames[0], hole + b"!", *file.frames[2:]])
    assert [one.item for one in read(torn)] == [0, *range(1, 6)]


def test_a_file_is_read_from_where_it_ended_before_and_no_further_than_it_counts() -> None:
    *_, five, six = read(FILE.content)
    assert [one.item for one in read(FILE.content, start=five.offset)] == [5, 6]
    assert [one.item for one in read(FILE.content, limit=six.offset)] == [0, 3, 4, 5]
    assert [one.item for one in read(FILE.content, limit=six.end - 1)] == [0, 3, 4, 5]
