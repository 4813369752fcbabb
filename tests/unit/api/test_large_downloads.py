"""Large files from the cluster: in pieces, out of one file, and nothing is left of those that fail."""

from __future__ import annotations

import io
import os
import resource
import shutil
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conformance.forking import forks, in_child
from tests.helpers.far import Far

from slurm.api.slurm_cli import InProcessBackend
from slurm.api.transfers import pipelined
from slurm.errors import FileTooLarge, RemoteFileError, RemoteFileMissing, TransportError

DEADLINE = 60.0


@pytest.fixture
def far() -> Far:
    return Far(scheduler=object())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "result.pkl"
    path.write_bytes(bytes(range(100)))
    return path


def content_of(far: Far, path: Path, **more: Any) -> bytes:
    with far.open_file(str(path), **more) as file:
        return file.read()


# --- pieces --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 25, 26, 100])
def test_a_file_of_any_size_arrives(size: int, far: Far, file: Path) -> None:
    file.write_bytes(bytes(range(size)))
    assert content_of(far, file) == bytes(range(size))
    assert far.read_file(str(file)) == bytes(range(size))


def test_a_large_one_is_kept_in_a_file_without_a_name(
    far: Far, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with far.open_file(str(file)) as opened:
        assert not isinstance(opened, io.BytesIO)
        where = Path(f"/proc/self/fd/{opened.fileno()}").readlink()
        assert where.parent == tmp_path / "scratch"
        assert os.listdir(where.parent) == []
    file.write_bytes(bytes(25))
    with far.open_file(str(file)) as opened:
        assert isinstance(opened, io.BytesIO)


def test_many_files_come_together_and_large_ones_by_themselves(far: Far, tmp_path: Path) -> None:
    sizes = [3, 60, 20, 0, 26, 25, 1]
    for number, size in enumerate(sizes):
        (tmp_path / str(number)).write_bytes(bytes([size]) * size)
    paths = [str(tmp_path / str(number)) for number in range(len(sizes) + 1)]
    found: list[bytes | None] = []
    for opened in far.open_files(paths):
        with opened or io.BytesIO() as content:
            found.append(content.read() if opened else None)
    assert found == [bytes([size]) * size for size in sizes] + [None]
    assert far.asked.count("read_many") < len(sizes)


def test_progress_is_told_of_large_files_alone(far: Far, file: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    content_of(far, file, progress=lambda *step: steps.append(step))
    assert steps == [(str(file), done, 100) for done in range(10, 101, 10)]
    file.write_bytes(bytes(25))
    content_of(far, file, progress=lambda *step: steps.append(step))
    assert len(steps) == 10


def test_a_file_that_is_not_there_is_missing(far: Far, tmp_path: Path) -> None:
    with pytest.raises(RemoteFileMissing, match="none"):
        far.open_file(str(tmp_path / "none"))


# --- what goes wrong -----------------------------------------------------------------------------


def replace(path: Path, content: bytes) -> None:
    (path.parent / "new").write_bytes(content)
    (path.parent / "new").replace(path)


def test_a_file_that_is_replaced_meanwhile_is_fetched_from_the_beginning(
    far: Far, file: Path
) -> None:
    """A requeued job writes its result a second time."""
    times = iter(range(1))

    def replacing(op: str, params: dict[str, Any], blob: bytes) -> bytes:
        if params.get("offset") == 50 and next(times, None) is not None:
            replace(file, b"x" * 100)
        return blob

    far.between = replacing
    assert content_of(far, file) == b"x" * 100


@pytest.mark.parametrize("becomes", ["another", "longer", "shorter", "overwritten"])
def test_a_file_that_changes_all_the_time_is_no_mixture(becomes: str, far: Far, file: Path) -> None:
    versions = iter(range(1, 1000))

    def changing(op: str, params: dict[str, Any], blob: bytes) -> bytes:
        if params.get("offset") == 50:
            size = {"longer": 100 + next(versions), "shorter": 60}.get(becomes, 100)
            if becomes == "another":
                replace(file, b"x" * size)
            else:
                file.write_bytes(b"x" * size)
                os.utime(file, ns=(0, next(versions)))
        elif "offset" not in params:
            file.write_bytes(bytes(100))
        return blob

    far.between = changing
    with pytest.raises(RemoteFileError, match=r"result\.pkl was replaced while it was read"):
        far.open_file(str(file))


def test_a_connection_that_is_lost_for_good_leaves_no_thread_and_no_file(
    far: Far, file: Path
) -> None:
    def lost(op: str, params: dict[str, Any], blob: bytes) -> bytes:
        if params.get("offset", 0) >= 50:
            raise TransportError("gone")
        return blob

    far.between = lost
    before = set(threading.enumerate())
    with pytest.raises(TransportError, match="gone"):
        far.open_file(str(file))
    for thread in set(threading.enumerate()) - before:
        thread.join(DEADLINE)
    far.between = lambda op, params, blob: blob
    assert content_of(far, file) == bytes(range(100))


@forks
def test_a_file_for_which_there_is_no_disk_says_where(far: Far, file: Path) -> None:
    def with_small_files() -> int:
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60, most))
        with pytest.raises(FileTooLarge, match=r"100 bytes are more than .*TMPDIR") as caught:
            far.open_file(str(file))
        return caught.value.size

    assert in_child(with_small_files) == 100


def test_a_disk_that_is_too_small_is_noticed_before(
    far: Far, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=99))
    with pytest.raises(FileTooLarge, match="TMPDIR"):
        far.open_file(str(file))
    assert far.asked == ["read"]


def test_a_file_larger_than_the_machine_is_not_even_begun(far: Far, tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 42)
    for backend in (far, InProcessBackend(far.agent)):
        with pytest.raises(FileTooLarge, match="memory") as caught:
            backend.open_file(str(tmp_path / "sparse"))
        assert caught.value.size == 1 << 42
    assert far.asked == ["read"]


def test_answers_for_which_there_is_no_memory_are_asked_for_one_by_one(
    far: Far, file: Path
) -> None:
    def full(op: str, params: dict[str, Any], blob: bytes) -> bytes:
        if op == "read_many":
            raise MemoryError
        return blob

    far.between = full
    with pytest.raises(FileTooLarge):
        list(far.open_files([str(file)]))
    assert content_of(far, file) == bytes(range(100))


# --- several under way ---------------------------------------------------------------------------


@given(st.integers(0, 20), st.integers(1, 5))
def test_answers_come_in_the_order_of_the_questions(count: int, width: int) -> None:
    assert list(pipelined(lambda n: n * n, range(count), width)) == [n * n for n in range(count)]


def test_so_many_are_under_way_and_no_more() -> None:
    everybody = threading.Barrier(3)
    now, most, counting = [0], [0], threading.Lock()

    def ask(number: int) -> int:
        with counting:
            now[0] += 1
            most[0] = max(most[0], now[0])
        everybody.wait(DEADLINE)  # passes only when three are here
        with counting:
            now[0] -= 1
        return number

    assert list(pipelined(ask, range(9), 3)) == list(range(9))
    assert most == [3]


def test_what_one_of_them_raises_is_raised_in_its_place() -> None:
    answers = pipelined(lambda n: 10 // n, [2, 0, 5], 2)
    assert next(answers) == 5
    with pytest.raises(ZeroDivisionError):
        next(answers)
