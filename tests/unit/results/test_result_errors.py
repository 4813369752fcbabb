"""Results that are there and cannot be had: each has an error of its own, in one line."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend, job_on

from slurm import Cluster, Job, errors
from slurm.api.slurm_cli import InProcessBackend
from slurm.job_dir.result import (
    Envelope,
    dump_envelope,
    exception_envelope,
    load_envelope,
    open_envelope,
    value_envelope,
)

DEADLINE = 60.0


class Huge:
    """Unpickled, it is more than any machine has memory for."""

    def __reduce__(self) -> Any:
        return bytes, (1 << 60,)


class Elsewhere:
    """Stands for a value of a class that this side has not."""

    def __reduce__(self) -> Any:
        return __import__, ("there_is\nno_such_module",)


def failure(job: Job[Any]) -> errors.ResultError:
    with pytest.raises(errors.ResultError) as caught:
        job.get_result(DEADLINE)
    error = caught.value
    assert "\n" not in str(error)
    assert (error.job_id, error.job_dir) == ("7", "/jobs/7")
    return error


@pytest.mark.parametrize(
    ("damage", "kind", "told"),
    [
        (lambda data: data[:-9], errors.ResultCorrupted, "/jobs/7/result.pkl is truncated"),
        (lambda data: data[: len(data) // 2], errors.ResultCorrupted, "truncated"),
        (lambda data: b"", errors.ResultCorrupted, "truncated, or no result file"),
        (lambda data: data.replace(b"loss", b"gain"), errors.ResultCorrupted, "was altered"),
    ],
)
def test_a_damaged_file_is_named_with_its_job(
    damage: Any, kind: type[errors.ResultError], told: str, job: Job[Any], backend: FakeBackend
) -> None:
    backend.finish(job, {"loss": 0.5})
    backend.files["/jobs/7/result.pkl"] = damage(backend.files["/jobs/7/result.pkl"])
    error = failure(job)
    assert type(error) is kind
    assert told in str(error)


def test_a_value_of_a_class_that_is_not_here_says_what_is_missing(
    job: Job[Any], backend: FakeBackend
) -> None:
    backend.finish(job, Elsewhere())
    error = failure(job)
    assert type(error) is errors.ResultNotLoadable
    assert "job 7 cannot be unpickled here: ModuleNotFoundError: No module named" in str(error)
    assert "must be importable here" in str(error)


def test_a_value_for_which_there_is_no_memory(job: Job[Any], backend: FakeBackend) -> None:
    backend.finish(job, [b"x" * 3000, Huge()])
    error = failure(job)
    assert type(error) is errors.ResultTooLarge
    assert "job 7 takes 3" in str(error)
    assert "K pickled, more than this process has memory for" in str(error)


def test_a_result_for_which_there_was_no_memory_can_be_had_later(
    job: Job[Any], backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.finish(job, 5)
    read = backend.read_file

    def too_large(path: str) -> bytes:
        raise errors.FileTooLarge(path, size=10 << 30)

    monkeypatch.setattr(backend, "read_file", too_large)
    assert "takes 10G" in str(failure(job))
    assert isinstance(job.exception(), errors.ResultTooLarge)
    monkeypatch.setattr(backend, "read_file", read)
    assert job.get_result(DEADLINE) == 5


def test_a_result_that_was_too_large_there_stays_so(job: Job[Any], backend: FakeBackend) -> None:
    """What the node could not pickle will not be there later."""
    backend.finish(job, errors.ResultTooLarge("no space left"))
    first = failure(job)
    backend.finish(job, 5)
    assert failure(job) is first


def test_one_element_without_memory_does_not_keep_the_others(
    fake_cluster: Cluster, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [job_on(fake_cluster, str(number)) for number in range(3)]
    for job in jobs:
        backend.finish(job, int(job.id))
    assert all(job.wait(DEADLINE) for job in jobs)
    read = backend.read_file

    def file(path: str) -> bytes:
        if path == "/jobs/1/result.pkl":
            raise errors.FileTooLarge(path, size=1 << 40)
        return read(path)

    monkeypatch.setattr(backend, "read_file", file)
    monkeypatch.setattr(backend, "read_files", lambda paths: (file(path) for path in paths))
    first, second, third = fake_cluster.operations.fetch_all(
        [record for job in jobs for record in job.records]
    )
    assert (first.get(), third.get()) == (0, 2)
    with pytest.raises(errors.ResultTooLarge, match="1T"):
        second.get()


def test_an_exception_for_which_there_is_no_memory_is_told_in_words() -> None:
    envelope = exception_envelope(ValueError("bad"), 1)._replace(body=pickle.dumps(Huge()))
    with pytest.raises(errors.RemoteError, match=r"builtins\.ValueError: bad"):
        open_envelope(envelope)


def test_a_file_of_a_newer_sdk_says_so() -> None:
    newer = value_envelope(5, 1)._replace(schema=99)
    with pytest.raises(errors.ResultNotLoadable, match="newer slurm-tasks"):
        load_envelope(dump_envelope(newer))


def test_a_file_with_more_in_it_than_this_sdk_knows_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as newer:
        fields = Envelope._asdict
        newer.setattr(Envelope, "_asdict", lambda one: {**fields(one), "novelty": 1})
        data = dump_envelope(value_envelope(5, 1))
    assert b"novelty" in data
    assert open_envelope(load_envelope(data)) == 5


# --- large files ---------------------------------------------------------------------------------


@pytest.fixture
def small_answers(files: InProcessBackend) -> None:
    """Few bytes fit into one answer."""
    files.piece, files.together, files.large_from = 10, 50, 25


@pytest.mark.usefixtures("small_answers")
@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 100])
def test_a_large_file_comes_in_parts(size: int, files: InProcessBackend, tmp_path: Path) -> None:
    content = bytes(range(size))
    (tmp_path / "file").write_bytes(content)
    assert files.read_file(str(tmp_path / "file")) == content


@pytest.mark.usefixtures("small_answers")
def test_large_files_among_many_come_by_themselves(files: InProcessBackend, tmp_path: Path) -> None:
    sizes = [3, 200, 20, 0, 26, 25, 1]
    paths = [tmp_path / str(number) for number in range(len(sizes))]
    for path, size in zip(paths, sizes):
        path.write_bytes(bytes([size]) * size)
    found = list(files.read_files([*map(str, paths), str(tmp_path / "missing")]))
    assert found == [bytes([size]) * size for size in sizes] + [None]


@pytest.mark.usefixtures("small_answers")
def test_a_file_that_grows_is_read_to_its_end_as_it_was(
    files: InProcessBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 15)
    request = files.request

    def growing(op: str, params: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        answer = request(op, params, blob)
        with path.open("ab") as file:
            file.write(b"y" * 20)
        return answer

    monkeypatch.setattr(files, "request", growing)
    assert files.read_file(str(path)).startswith(b"x" * 15)


@pytest.mark.usefixtures("small_answers")
@pytest.mark.parametrize("becomes", ["another", "shorter"])
def test_a_file_that_is_replaced_meanwhile_is_no_mixture(
    becomes: str, files: InProcessBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.pkl"
    path.write_bytes(b"x" * 35)
    request = files.request

    def replacing(op: str, params: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        answer = request(op, params, blob)
        if becomes == "another":
            (tmp_path / "new").write_bytes(b"y" * 35)
            (tmp_path / "new").replace(path)
        else:
            path.write_bytes(b"")
        return answer

    monkeypatch.setattr(files, "request", replacing)
    with pytest.raises(errors.RemoteFileError, match="replaced while it was read"):
        files.read_file(str(path))


def test_a_file_larger_than_the_machine_is_not_even_begun(
    files: InProcessBackend, tmp_path: Path
) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 42)
    with pytest.raises(errors.FileTooLarge, match="sparse: 43980") as caught:
        files.read_file(str(path))
    assert caught.value.size >= 1 << 42
    assert isinstance(caught.value, MemoryError)
