"""How the tracker sees jobs end. The backend is a fake that says what a test has it say."""

from __future__ import annotations

import threading
from typing import Any, BinaryIO

import pytest
from tests.helpers.fakes import FakeBackend, job_on, tracker_of

from slurm import Cluster
from slurm.errors import DependencyFailed, JobLost, RemoteFileMissing, TransportError
from slurm.job_dir.result import dump_envelope, exception_envelope, value_envelope

DEADLINE = 60.0


def test_a_job_that_can_never_start_is_cancelled_and_names_the_root_of_it(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    root = job_on(fake_cluster, "1")
    middle = job_on(fake_cluster, "2", root)
    leaf = job_on(fake_cluster, "3", middle)
    never = {"state": "PENDING", "reason": "DependencyNeverSatisfied"}
    backend.say("2", **never)
    backend.say("3", **never)
    backend.say("1", "FAILED")
    with pytest.raises(DependencyFailed, match=r"job 3 .*never started.*job 1 \(train\).*FAILED"):
        leaf.get_result(timeout=DEADLINE)
    assert leaf.status.state == "CANCELLED"
    assert set(backend.cancelled) == {"2", "3"}
    assert middle.is_completed()


@pytest.mark.parametrize(("value", "state"), [(5, "COMPLETED"), (ValueError("x"), "FAILED")])
def test_a_forgotten_job_ended_as_its_result_says(
    value: Any, state: str, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("1", "RUNNING")
    job = job_on(fake_cluster, "1")
    backend.finish(job, value)
    backend.tell("unrelated")
    del backend.said["1"]
    assert job.wait(DEADLINE)
    assert job.status.state == state


@pytest.mark.parametrize(("value", "state"), [(5, "COMPLETED"), (ValueError("x"), "FAILED")])
def test_a_forgotten_job_without_an_event_ended_as_its_result_says(
    value: Any, state: str, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    made = (
        exception_envelope(value, 1) if isinstance(value, Exception) else value_envelope(value, 1)
    )
    backend.files["/jobs/1/result.pkl"] = dump_envelope(made)
    job = job_on(fake_cluster, "1")
    assert job.wait(DEADLINE)
    assert job.status.state == state
    assert len(backend.queries) >= 3


class Boundless(Exception):
    """Has more to say than fits into the beginning of a file."""

    def __str__(self) -> str:
        return "more " * 50_000


@pytest.mark.parametrize(
    ("value", "state", "whole"), [(bytes(1 << 20), "COMPLETED", 0), (Boundless(), "FAILED", 1)]
)
def test_a_large_result_is_not_fetched_to_learn_how_its_job_ended(
    value: Any,
    state: str,
    whole: int,
    fake_cluster: Cluster,
    backend: FakeBackend,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = (
        exception_envelope(value, 1) if isinstance(value, Exception) else value_envelope(value, 1)
    )
    backend.files["/jobs/1/result.pkl"] = dump_envelope(made)
    opened: list[str] = []
    open_file = backend.open_file

    def noted(path: str) -> BinaryIO:
        opened.append(path)
        return open_file(path)

    monkeypatch.setattr(backend, "open_file", noted)
    job = job_on(fake_cluster, "1")
    assert job.wait(DEADLINE)
    assert (job.status.state, len(opened)) == (state, whole)


@pytest.mark.parametrize("state", ["UNKNOWN", "RUNNING"])
def test_the_result_decides_where_accounts_are_away_or_late(
    state: str, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.files["/jobs/1/result.pkl"] = dump_envelope(value_envelope(5, 1))
    backend.say("1", state, source="sacct")
    job = job_on(fake_cluster, "1")
    assert job.wait(DEADLINE)
    assert job.status.state == "COMPLETED"


def test_accounts_that_are_away_are_waited_for_where_there_is_no_result(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("1", "UNKNOWN", source="sacct")
    job = job_on(fake_cluster, "1")
    backend.wait_until(lambda: len(backend.queries) >= 5)
    assert not job.is_completed()
    backend.say("1", "COMPLETED", source="sacct")
    assert job.wait(DEADLINE)


def test_a_forgotten_job_without_a_result_is_lost(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    job = job_on(fake_cluster, "1")
    with pytest.raises(JobLost, match="/jobs/1"):
        job.get_result(timeout=DEADLINE)
    assert len(backend.queries) >= 3


def test_a_forgotten_job_is_not_lost_while_its_directory_cannot_be_read(
    fake_cluster: Cluster, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, reads = backend.read_file, threading.Semaphore(0)

    def unreachable(path: str) -> bytes:
        reads.release()
        raise TransportError("connection lost")

    monkeypatch.setattr(backend, "read_file", unreachable)
    job = job_on(fake_cluster, "1")
    for _ in range(3):
        assert reads.acquire(timeout=DEADLINE)
    assert not job.is_completed()
    monkeypatch.setattr(backend, "read_file", read)
    assert job.wait(DEADLINE)


def test_every_future_of_one_job_completes(fake_cluster: Cluster, backend: FakeBackend) -> None:
    """As two submissions with the same key make them."""
    backend.say("1", "RUNNING")
    first, second = job_on(fake_cluster, "1", token="k"), job_on(fake_cluster, "1", token="k")
    backend.say("1", "COMPLETED")
    assert first.wait(DEADLINE)
    assert second.wait(DEADLINE)
    assert second.is_successful()


def test_a_finished_job_stays_finished_when_an_older_look_comes_late(
    patient_cluster: Cluster, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look found the job absent, and is still reading its directory when the job's event comes."""
    job = job_on(patient_cluster, "1")
    backend.wait_until(lambda: bool(backend.queries))  # the tracker's own first look
    reading, go_on = threading.Event(), threading.Event()

    def slow_read(path: str) -> bytes:
        reading.set()
        go_on.wait(DEADLINE)
        raise RemoteFileMissing(path)

    monkeypatch.setattr(tracker_of(patient_cluster), "interval_min", 0.0)
    monkeypatch.setattr(backend, "read_file", slow_read)
    looks = threading.Thread(target=lambda: [job.get_status() for _ in range(3)])
    looks.start()
    assert reading.wait(DEADLINE)
    backend.tell("t1.1.ok")
    assert job.wait(DEADLINE)
    go_on.set()
    looks.join(DEADLINE)
    assert (job.status.state, job.status.finished) == ("COMPLETED", True)
