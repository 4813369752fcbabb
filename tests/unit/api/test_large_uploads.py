"""Large files to the cluster: staged in pieces, checked, and in the job's directory before it is submitted."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from tests.helpers import scheduler_on_disk as disk
from tests.helpers.far import Far, spooled

from slurm.agent.errors import AgentError
from slurm.api.requests import JobRequest
from slurm.errors import RemoteFileError, SubmissionRefused, TransportError

CONTENT = bytes(range(200))
PIECES = 20


@pytest.fixture
def far(scheduler: disk.SchedulerOnDisk) -> Far:
    return Far(scheduler)


def request_with(
    base: Path, name: str = "1", token: str = "aa11", files: dict[str, bytes] | None = None
) -> JobRequest:
    small = {"job.sh": b"#!/bin/bash\n", "metadata.json": b"{}", **(files or {})}
    request = disk.request_for(base, name, token)._replace(files=small)
    return request._replace(large_files={"arguments.pkl": spooled(CONTENT)})


def staged(base: Path) -> list[str]:
    return os.listdir(base / ".staged")


# --- the way there -------------------------------------------------------------------------------


def test_a_large_file_is_there_before_the_scheduler_is_asked(
    base: Path, far: Far, scheduler: disk.SchedulerOnDisk
) -> None:
    request = request_with(base)
    [answer] = far.submit(base, request)
    assert (answer.job_id, answer.error) == ("101", None)
    assert scheduler.submissions()[0]["there"] == ["arguments.pkl", "job.sh", "metadata.json"]
    arrived = Path(request.job_dir) / "arguments.pkl"
    assert arrived.read_bytes() == CONTENT
    assert arrived.stat().st_mode & 0o777 == 0o600
    assert (base / ".staged").stat().st_mode & 0o777 == 0o700
    assert far.asked.count("put") == PIECES


def test_so_is_one_that_is_in_memory(base: Path, far: Far) -> None:
    request = request_with(base, files={"payload.pkl": b"p" * 26, "script.py": b"s" * 25})
    far.submit(base, request)
    assert (Path(request.job_dir) / "payload.pkl").read_bytes() == b"p" * 26
    assert (Path(request.job_dir) / "script.py").read_bytes() == b"s" * 25
    assert len(staged(base)) == 2


def test_the_same_content_is_sent_once(base: Path, far: Far) -> None:
    requests = [request_with(base, name, f"t{name}") for name in "12"]
    far.submit(base, *requests)
    assert far.asked.count("put") == PIECES
    far.submit(base, request_with(base, "3", "t3"))
    assert far.asked.count("put") == PIECES
    assert len(staged(base)) == 1
    for name in "123":
        assert (base / "train" / name / "arguments.pkl").read_bytes() == CONTENT


def test_a_known_submission_needs_its_file_no_more(base: Path, far: Far) -> None:
    far.submit(base, request_with(base))
    [path] = staged(base)
    (base / ".staged" / path).unlink()
    [again] = far.submit(base, request_with(base, "2"))
    assert (again.job_id, again.reattached) == ("101", True)
    assert far.asked.count("put") == PIECES


def test_progress_names_the_file_in_the_jobs_directory(base: Path, far: Far) -> None:
    steps: list[tuple[str, int, int]] = []
    request = request_with(base)
    far.submit(base, request, progress=lambda *step: steps.append(step))
    path = f"{request.job_dir}/arguments.pkl"
    assert steps == [(path, done, 200) for done in range(10, 201, 10)]


def test_a_file_system_without_links_gets_a_copy(
    base: Path, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: str, target: str) -> None:
        raise PermissionError(1, "Operation not permitted", source)

    monkeypatch.setattr(os, "link", refuse)
    request = request_with(base)
    far.submit(base, request)
    assert (Path(request.job_dir) / "arguments.pkl").read_bytes() == CONTENT
    assert sorted(os.listdir(request.job_dir))[-3:] == ["arguments.pkl", "job.sh", "metadata.json"]


# --- what goes wrong -----------------------------------------------------------------------------


class Trouble:
    """Something that happens to the pieces of a file, so many times."""

    def __init__(self, far: Far, times: int) -> None:
        self.left = times
        far.between = self

    def __call__(self, op: str, params: dict[str, Any], blob: bytes) -> bytes:
        if op == "put" and params["offset"] == 100 and self.left:
            self.left -= 1
            return self.happens(params, blob)
        return blob

    def happens(self, params: dict[str, Any], blob: bytes) -> bytes:
        raise NotImplementedError


class Altered(Trouble):
    def happens(self, params: dict[str, Any], blob: bytes) -> bytes:
        return b"\0" * len(blob)


class Lost(Trouble):
    def happens(self, params: dict[str, Any], blob: bytes) -> bytes:
        raise TransportError("gone")


class Full(Trouble):
    def happens(self, params: dict[str, Any], blob: bytes) -> bytes:
        raise RemoteFileError("No space left on device: /jobs/.staged")


class Tidied(Trouble):
    def happens(self, params: dict[str, Any], blob: bytes) -> bytes:
        os.unlink(params["path"])
        return blob


@pytest.mark.parametrize("trouble", [Altered, Tidied])
def test_a_file_that_does_not_arrive_whole_is_sent_again(
    trouble: type[Trouble], base: Path, far: Far
) -> None:
    trouble(far, times=2)
    request = request_with(base)
    far.submit(base, request)
    assert (Path(request.job_dir) / "arguments.pkl").read_bytes() == CONTENT


@pytest.mark.parametrize("trouble", [Altered, Full, Tidied])
def test_a_file_that_cannot_arrive_is_an_error_and_leaves_nothing(
    trouble: type[Trouble], base: Path, far: Far, scheduler: disk.SchedulerOnDisk
) -> None:
    trouble(far, times=100)
    with pytest.raises(RemoteFileError, match=r"did not arrive|No space left"):
        far.submit(base, request_with(base))
    assert staged(base) == []
    assert not scheduler.submissions()
    assert not (base / "train").exists()


def test_an_interrupted_file_goes_on_where_it_was(base: Path, far: Far) -> None:
    Lost(far, times=1)
    with pytest.raises(TransportError):
        far.submit(base, request_with(base))
    assert [Path(name).suffix for name in staged(base)] == [".part"]
    sent = far.asked.count("put")
    assert sent <= 13
    request = request_with(base)
    far.submit(base, request)
    assert far.asked.count("put") <= PIECES + 2 * far.in_flight
    assert (Path(request.job_dir) / "arguments.pkl").read_bytes() == CONTENT


def test_what_another_client_left_half_done_is_not_believed(base: Path, far: Far) -> None:
    Lost(far, times=1)
    with pytest.raises(TransportError):
        far.submit(base, request_with(base))
    [part] = staged(base)
    (base / ".staged" / part).write_bytes(b"?" * 600)
    request = request_with(base)
    far.submit(base, request)
    assert (Path(request.job_dir) / "arguments.pkl").read_bytes() == CONTENT


def test_a_refused_job_leaves_its_file_for_the_next_attempt(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    scheduler.answer = AgentError("refused", "Invalid partition name specified")
    far = Far(scheduler)
    [answer] = far.submit(base, request_with(base))
    assert isinstance(answer.error, SubmissionRefused)
    assert not (base / "train" / "1").exists()
    scheduler.answer = None
    far.submit(base, request_with(base, "2", "t2"))
    assert far.asked.count("put") == PIECES


def test_leftovers_are_removed_when_they_are_old(base: Path, far: Far) -> None:
    folder = base / ".staged"
    folder.mkdir(parents=True, mode=0o700)
    base.chmod(0o700)
    for name, age in (("dead.part", 2 * 86400), ("used", 2 * 86400), ("recent.part", 3600)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, times=(time.time() - age,) * 2)
    far.submit(base, request_with(base))
    assert sorted(name for name in staged(base) if len(name) < 64) == ["recent.part"]


def test_a_directory_that_others_can_write_to_is_refused(base: Path, far: Far) -> None:
    (base / ".staged").mkdir(parents=True)
    (base / ".staged").chmod(0o777)
    with pytest.raises(RemoteFileError, match="only you can write"):
        far.submit(base, request_with(base))
