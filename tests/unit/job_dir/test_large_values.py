"""Large arguments and results as files: pickled, checked and unpickled without a second copy in memory."""

from __future__ import annotations

import hashlib
import io
import pickle
import tempfile
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.fakes import DEADLINE, FakeBackend
from tests.helpers.far import spooled
from tests.helpers.processes import RunJob, result_of

from slurm import Cluster, Job, errors, task
from slurm.api.slurm_cli import InProcessBackend
from slurm.job_dir import large_files
from slurm.job_dir.arguments import load_arguments, write_arguments
from slurm.job_dir.large_files import SpooledFile
from slurm.job_dir.main_module import MAIN_WORDS
from slurm.job_dir.payload import load_payload
from slurm.job_dir.result import load_envelope, open_envelope, value_envelope, write_envelope
from slurm.job_dir.result_file import Writer

SIZE = 16 << 20
BOUND = 3 << 20


class Rows:
    """As an array with two dimensions pickles itself."""

    def __init__(self, content: bytearray, width: int = 1024) -> None:
        self.content = content
        self.width = width

    def __reduce_ex__(self, protocol: Any) -> Any:
        rows = memoryview(self.content).cast("B", (len(self.content) // self.width, self.width))
        return Rows, (pickle.PickleBuffer(rows),)


@task
def length(value: bytes, other: int) -> tuple[int, int]:
    return len(value), other


def peak(work: Callable[[], object]) -> int:
    """The most memory that `work` held at a time."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# --- in memory, or in a file ---------------------------------------------------------------------


@given(st.lists(st.binary(max_size=9)), st.integers(0, 12), st.integers(0, 40), st.integers(0, 9))
def test_a_spool_has_what_was_written(
    parts: list[bytes], in_memory: int, offset: int, size: int
) -> None:
    spool = SpooledFile(in_memory)
    for part in parts:
        spool.write(part)
    whole = b"".join(parts)
    assert (spool.size, spool.getvalue()) == (len(whole), whole)
    assert spool.is_large == (len(whole) > in_memory)
    assert spool.read_at(offset, size) == whole[offset : offset + size]
    assert b"".join(spool.pieces(offset)) == whole[offset:]
    spool.truncate(len(whole) // 2)
    spool.write(b"end")
    assert spool.getvalue() == whole[: len(whole) // 2] + b"end"


@pytest.mark.parametrize("in_memory", [None, 0])
@pytest.mark.parametrize("offset", [0, 1, (1 << 20) - 6, (1 << 20) - 1, 1 << 20, (2 << 20) - 8])
def test_words_are_found_wherever_they_stand(in_memory: int | None, offset: int) -> None:
    content = bytearray(2 << 20)
    content[offset : offset + 8] = b"__main__"
    spool = SpooledFile(in_memory)
    spool.write(content)
    assert spool.contains(MAIN_WORDS)
    assert not spool.contains(MAIN_WORDS, offset + 1)
    assert not spool.contains([b"__mp_main__"])


def test_where_there_is_no_room_the_arguments_do_not_travel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_files, "scratch_directory", lambda: str(tmp_path / "none"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(errors.SerializationError, match=r"no room for them in .*none.*TMPDIR"):
        write_arguments(SpooledFile(10), (bytes(100),), {}, lambda value: None)


# --- results -------------------------------------------------------------------------------------


def test_a_large_result_is_written_and_read_without_a_copy(tmp_path: Path) -> None:
    value, path = bytes(SIZE), tmp_path / "result.pkl"

    def write() -> None:
        with path.open("wb") as file:
            write_envelope(Writer(file), value_envelope([value], 1))

    def read() -> None:
        with path.open("rb") as file:
            assert open_envelope(load_envelope(file)) == [value]

    assert peak(write) < BOUND
    assert peak(read) < SIZE + BOUND


def test_large_arguments_are_written_and_read_without_a_copy() -> None:
    value = bytes(SIZE)
    spool = SpooledFile(1 << 20)
    assert peak(lambda: write_arguments(spool, ([value],), {}, lambda one: None)) < BOUND
    assert peak(lambda: spool.contains(MAIN_WORDS)) < BOUND


@pytest.mark.parametrize("size", [1024, 1 << 20])
def test_an_array_of_several_dimensions_is_a_result_and_an_argument(size: int) -> None:
    rows = Rows(bytearray(size))
    file = io.BytesIO()
    write_envelope(Writer(file), value_envelope(rows, 1))
    assert bytes(open_envelope(load_envelope(file)).content) == bytes(size)
    spool = spooled(b"")
    write_arguments(spool, (rows,), {}, lambda one: None)
    (arrived,), _ = load_arguments(spool.getvalue(), lambda placeholder: None)
    assert bytes(arrived.content) == bytes(size)


def test_what_only_cloudpickle_manages_is_a_result_however_late_that_shows() -> None:
    file = io.BytesIO()
    write_envelope(Writer(file), value_envelope([bytes(200_000), lambda number: number + 1], 1))
    filler, function = open_envelope(load_envelope(file))
    assert (len(filler), function(1)) == (200_000, 2)


def test_nothing_is_left_of_a_value_that_turns_out_not_to_be_one() -> None:
    file = io.BytesIO()
    value = [bytes(200_000), threading.Lock()]
    written = write_envelope(Writer(file), value_envelope(value, 1))
    assert (written.kind, len(file.getvalue()) < 100_000) == ("exception", True)
    with pytest.raises(errors.ResultNotSerializable, match="lock"):
        open_envelope(load_envelope(file))


def test_a_result_of_an_older_sdk_is_read() -> None:
    body = pickle.dumps({"loss": 0.5})
    envelope = {"kind": "value", "body": body, "attempt": 1, "python": "3.11.2", "schema": 1}
    data = pickle.dumps(envelope)
    data += b"\nsha256 " + hashlib.sha256(data).hexdigest().encode()
    assert open_envelope(load_envelope(data)) == {"loss": 0.5}


def test_a_result_can_be_read_by_pickle_alone() -> None:
    file = io.BytesIO()
    write_envelope(Writer(file), value_envelope([1, 2], 3))
    file.seek(0)
    assert pickle.load(file)["attempt"] == 3  # noqa: S301
    assert pickle.load(file) == [1, 2]  # noqa: S301


def test_results_are_opened_where_they_are(files: InProcessBackend, tmp_path: Path) -> None:
    """On a login node nothing is fetched."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    with files.open_file(str(path)) as opened:
        assert opened.fileno() > 0
        assert opened.read() == b"content"


# --- arguments -----------------------------------------------------------------------------------


def test_large_arguments_have_a_file_of_their_own(run_job: RunJob, backend: FakeBackend) -> None:
    backend.large_from = 1000
    run = run_job(length, bytes(5000), 7)
    assert list(run.request.large_files) == ["arguments.pkl"]
    assert bytes(1000) not in run.request.files["payload.pkl"]
    assert "arguments.pkl (50" in str(run.request)
    assert result_of(run) == (5000, 7)


def test_small_ones_have_none(fake_cluster: Cluster, backend: FakeBackend) -> None:
    backend.large_from = 1000
    request = fake_cluster.dry_run(length, bytes(500), 7)
    assert not request.large_files
    assert len(request.files["payload.pkl"]) > 500


def test_so_have_the_items_of_an_array(fake_cluster: Cluster, backend: FakeBackend) -> None:
    backend.large_from = 1000
    array = fake_cluster.map(length, [(bytes(400), number) for number in range(5)])
    array.submit()
    [request] = backend.requests
    spool = request.large_files["items.pkl"]
    assert "items.pkl" not in request.files
    [begin, end] = load_payload(request.files["payload.pkl"]).items[3]
    args, _ = load_arguments(spool.read_at(begin, end - begin), lambda placeholder: None)
    assert args == (bytes(400), 3)


def test_a_backend_that_takes_no_large_files_gets_bytes(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    assert backend.large_from is None
    request = fake_cluster.dry_run(length, bytes(9 << 20), 1)
    assert not request.large_files
    assert len(request.files["payload.pkl"]) > 9 << 20


def test_a_result_for_which_there_is_no_disk_here_says_so(
    job: Job[Any], backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: str, **more: Any) -> Any:
        limit = "/var/scratch has room for (TMPDIR chooses another folder)"
        raise errors.FileTooLarge(path, size=10 << 30, limit=limit)

    backend.finish(job, 5)
    with monkeypatch.context() as patch:
        patch.setattr(backend, "open_file", full)
        with pytest.raises(errors.ResultTooLarge, match=r"10G pickled, more than /var/scratch has"):
            job.get_result(DEADLINE)
    assert job.get_result(DEADLINE) == 5
