"""SHA-256 in pieces: the same as the standard library's, whichever way it is worked out."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator

import pytest

from slurm.job_dir.result_file import BUILT_IN, LITTLE, Checksum, own_sha256


@pytest.fixture(autouse=True)
def looked_for_anew() -> Iterator[None]:
    """What the interpreter has is looked for in each test, and is what it has afterwards."""
    own_sha256.cache_clear()
    yield
    own_sha256.cache_clear()


LENGTHS = [(), (0,), (5, 3), (LITTLE,), (LITTLE, 1), (LITTLE - 1, 2, LITTLE), (3 * LITTLE,)]


@pytest.mark.parametrize("built_in", [True, False])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_it_is_sha256(
    lengths: tuple[int, ...], built_in: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not built_in:  # as where Python was built without
        for name in BUILT_IN:
            monkeypatch.setitem(sys.modules, name, None)
    checksum, whole = Checksum(), b""
    for length in lengths:
        piece = bytes(range(256)) * (length // 256) + b"x" * (length % 256)
        checksum.update(memoryview(piece))
        whole += piece
    assert checksum.hexdigest() == hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize("length", [3, LITTLE + 1])
def test_a_copy_goes_on_by_itself(length: int) -> None:
    checksum = Checksum()
    checksum.update(b"x" * length)
    copy = checksum.copy()
    copy.update(b"y")
    assert checksum.hexdigest() == hashlib.sha256(b"x" * length).hexdigest()
    assert copy.hexdigest() == hashlib.sha256(b"x" * length + b"y").hexdigest()
