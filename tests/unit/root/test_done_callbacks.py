"""Being told of a job's end: callbacks, and what they may do. The backend is a fake."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend, job_on, tracker_of

from slurm import Cluster, Job, as_completed, errors

DEADLINE = 60.0


def test_a_callback_may_ask_for_the_state_of_another_job(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    """It is called while the tracker looks: what it asks for must not wait for that look to end."""
    backend.say("1", "RUNNING")
    backend.say("2", "RUNNING")
    first, other = job_on(fake_cluster, "1"), job_on(fake_cluster, "2")
    asked: list[Any] = []
    told = threading.Event()

    def ask(job: Job[Any]) -> None:
        asked.append(other.get_status())
        told.set()

    first.add_done_callback(ask)
    backend.say("1", "COMPLETED")
    assert told.wait(DEADLINE), "the tracker waits for itself"
    assert asked == ["RUNNING"]
    backend.say("2", "COMPLETED")
    assert other.wait(DEADLINE)


def test_a_callback_may_submit_and_watch_another_job(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("1", "RUNNING")
    backend.say("2", "COMPLETED")
    first = job_on(fake_cluster, "1")
    later: list[Job[Any]] = []
    first.add_done_callback(lambda job: later.append(job_on(fake_cluster, "2")))
    backend.say("1", "COMPLETED")
    assert first.wait(DEADLINE)
    backend.wait_until(lambda: bool(later))
    assert later[0].wait(DEADLINE)


def test_a_callback_may_close_the_cluster(fake_cluster: Cluster, backend: FakeBackend) -> None:
    first, second = job_on(fake_cluster, "1"), job_on(fake_cluster, "2")
    first.add_done_callback(lambda job: fake_cluster.close())
    backend.finish(first)
    with pytest.raises(errors.SlurmError, match="closed"):
        second.wait(DEADLINE)


def test_a_job_that_has_ended_calls_back_at_once_also_when_its_cluster_is_closed(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    job = job_on(fake_cluster, "1")
    backend.finish(job, 5)
    assert job.get_result(timeout=DEADLINE) == 5
    fake_cluster.close()
    told: list[Job[Any]] = []
    job.add_done_callback(told.append)
    assert told == [job]
    assert list(as_completed([job])) == [job]

    async def wait() -> Any:
        return await job

    assert asyncio.run(wait()) == 5


def test_a_callback_is_not_forgotten_by_a_cluster_that_closes_at_that_moment(
    fake_cluster: Cluster, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_on(fake_cluster, "1")
    tracker = tracker_of(fake_cluster)
    watch = tracker.watch

    def watch_and_close(job: Job[Any]) -> None:
        watch(job)
        tracker.stop()

    monkeypatch.setattr(tracker, "watch", watch_and_close)
    told: list[Job[Any]] = []
    try:
        job.add_done_callback(told.append)
    except errors.SlurmError:
        return
    assert told == [job], "whoever waits for it would wait for ever"


def test_a_broken_connection_is_no_exception_of_the_job(
    job: Job[Any], backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.finish(job, 5)
    assert job.wait(DEADLINE)
    with monkeypatch.context() as broken:

        def lost(path: str) -> bytes:
            raise errors.TransportError("connection lost")

        broken.setattr(backend, "read_file", lost)
        with pytest.raises(errors.TransportError):
            job.exception()
    assert job.exception() is None


def test_an_exception_of_the_job_is_given_and_not_raised(
    job: Job[Any], backend: FakeBackend
) -> None:
    backend.finish(job, ValueError("bad"))
    error = job.exception(timeout=DEADLINE)
    assert isinstance(error, ValueError)
    assert job.done()
