"""The tracker: one observer for all jobs. The backend is a fake that says what a test has it say."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.fakes import FakeBackend, job_on, tracker_of

from slurm import Cluster, Job, gather
from slurm.errors import (
    RemoteFileError,
    RemoteFileMissing,
    SchedulerUnreachable,
    SlurmError,
    TransportError,
)
from slurm.states import Observation

DEADLINE = 60.0


# --- looking -------------------------------------------------------------------------------------


def test_one_query_asks_for_all_jobs(fake_cluster: Cluster, backend: FakeBackend) -> None:
    ids = [str(number) for number in range(1, 31)]
    for one in ids:
        backend.say(one, "RUNNING")
        job_on(fake_cluster, one)
    backend.wait_until(lambda: any(sorted(query) == sorted(ids) for query in backend.queries))


def test_a_job_that_has_ended_is_not_asked_for_again(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("1", "COMPLETED")
    backend.say("2", "RUNNING")
    first, _second = job_on(fake_cluster, "1"), job_on(fake_cluster, "2")
    assert first.wait(DEADLINE)
    asked = len(backend.queries)
    backend.wait_until(lambda: len(backend.queries) >= asked + 3)
    assert all(query == ["2"] for query in backend.queries[asked + 1 :])


def test_states_are_told_as_they_change(fake_cluster: Cluster, backend: FakeBackend) -> None:
    backend.say("1", "PENDING", reason="Priority")
    job = job_on(fake_cluster, "1")
    assert job.get_status() == "PENDING"
    assert not job.is_running()
    backend.say("1", "RUNNING")
    backend.wait_until(lambda: job.status.state == "RUNNING")
    assert job.is_running()
    backend.say("1", "COMPLETED")
    assert job.wait(DEADLINE)
    assert job.is_successful()
    assert not job.is_running()
    assert job.get_status() == "COMPLETED"


@pytest.mark.parametrize(
    "error", [TransportError("connection lost"), SchedulerUnreachable("squeue gave no answer")]
)
def test_errors_of_a_look_change_nothing(
    error: SlurmError, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("1", "RUNNING")
    job = job_on(fake_cluster, "1")
    backend.wait_until(lambda: job.status.state == "RUNNING")
    backend.query_error = error
    asked = len(backend.queries)
    backend.wait_until(lambda: len(backend.queries) >= asked + 6)
    assert (job.status.state, job.status.finished) == ("RUNNING", False)
    assert not job.wait(0)
    backend.say("1", "COMPLETED")
    backend.query_error = None
    assert job.wait(DEADLINE)


def test_a_look_that_fails_is_told_once(
    fake_cluster: Cluster, backend: FakeBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "slurm")
    backend.query_error = SchedulerUnreachable("no answer")
    job_on(fake_cluster, "1")
    backend.wait_until(lambda: len(backend.queries) >= 5)
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "no answer" in warnings[0].getMessage()


def test_an_outage_of_any_length_is_survived(tmp_path: Path, backend: FakeBackend) -> None:
    """Twelve hundred looks in vain: a night without a controller."""
    down = SchedulerUnreachable("down")
    backend.listen_error = lambda count: down
    backend.query_error = down
    backend.say("1", "COMPLETED")
    cluster = Cluster(
        backend, job_base_dir=tmp_path, poll_interval_min=1e-6, poll_interval_max=1e-5
    )
    job = job_on(cluster, "1")
    backend.wait_until(lambda: len(backend.queries) >= 1200 and backend.listened >= 1200)
    backend.query_error = None
    assert job.wait(DEADLINE)
    cluster.close()


def test_an_error_nobody_expected_does_not_end_the_tracker(
    fake_cluster: Cluster, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([ValueError("a bug"), KeyError("another")])
    ask = backend.query_jobs

    def buggy(job_ids: Any) -> Any:
        for failure in failures:
            raise failure
        return ask(job_ids)

    monkeypatch.setattr(backend, "query_jobs", buggy)
    backend.say("1", "COMPLETED")
    assert job_on(fake_cluster, "1").wait(DEADLINE)


# --- events --------------------------------------------------------------------------------------


def test_an_event_completes_a_job_without_a_query(
    patient_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("1", "RUNNING")
    backend.say("2", "RUNNING")
    good, bad = job_on(patient_cluster, "1"), job_on(patient_cluster, "2")
    backend.wait_until(lambda: bool(backend.queries))  # the first look is at once
    asked = len(backend.queries)
    backend.finish(good, 5)
    backend.finish(bad, ValueError("bad"))
    assert good.get_result(timeout=DEADLINE) == 5
    with pytest.raises(ValueError, match="bad"):
        bad.get_result(timeout=DEADLINE)
    assert len(backend.queries) == asked
    assert (good.status.state, bad.status.state) == ("COMPLETED", "FAILED")


def test_news_are_heard_while_the_scheduler_gives_no_answer(
    fake_cluster: Cluster, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answered = threading.Event(), threading.Event()

    def hang(job_ids: object) -> list[Observation]:
        asked.set()
        assert answered.wait(DEADLINE)
        return []

    monkeypatch.setattr(backend, "query_jobs", hang)
    job = job_on(fake_cluster, "1")
    assert asked.wait(DEADLINE)
    backend.finish(job, 5)
    assert job.get_result(timeout=DEADLINE / 2) == 5
    answered.set()


def test_a_result_that_came_with_the_news_is_not_read_again(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.pushes = True
    jobs = [job_on(fake_cluster, str(number)) for number in range(4)]
    for job in jobs:
        backend.finish(job, 3)
        assert job.wait(DEADLINE)
    backend.files.clear()
    backend.reads.clear()
    assert jobs[0].get_result() == 3
    assert gather(*jobs[1:]) == [3, 3, 3]
    assert backend.reads == []


def test_events_are_acknowledged(fake_cluster: Cluster, backend: FakeBackend) -> None:
    backend.say("1", "RUNNING")
    backend.say("2", "RUNNING")
    job, other = job_on(fake_cluster, "1"), job_on(fake_cluster, "2")
    backend.finish(job)
    assert job.wait(DEADLINE)
    backend.wait_until(lambda: not backend.pending_events())
    assert not other.is_completed()


def test_events_of_others_are_passed_over(fake_cluster: Cluster, backend: FakeBackend) -> None:
    backend.say("1", "RUNNING")
    job = job_on(fake_cluster, "1")
    for name in ("unknown.1.ok", "t1", "t1.1.maybe", ".nfs000"):
        backend.tell(name)
    backend.wait_until(lambda: not backend.pending_events())
    assert not job.is_completed()
    backend.finish(job)
    assert job.wait(DEADLINE)


@pytest.mark.parametrize(
    "error",
    [
        RemoteFileMissing("No such file or directory: /events"),
        RemoteFileError("Stale file handle: /events"),
    ],
)
def test_where_events_cannot_be_seen_the_schedulers_answer_decides(
    error: SlurmError, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.listen_error = lambda count: error
    backend.say("1", "COMPLETED")
    assert job_on(fake_cluster, "1").wait(DEADLINE)


# --- asking, and ending --------------------------------------------------------------------------


def test_the_scheduler_is_not_asked_again_within_the_interval(
    patient_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("1", "RUNNING")
    backend.say("2", "RUNNING")
    first, second = job_on(patient_cluster, "1"), job_on(patient_cluster, "2")
    for _ in range(50):
        assert first.get_status() == second.get_status() == "RUNNING"
    # One for each job when it was new, and the tracker's own first look.
    assert len(backend.queries) <= 3


def test_a_new_job_is_asked_for_at_once(patient_cluster: Cluster, backend: FakeBackend) -> None:
    backend.say("1", "RUNNING")
    backend.say("2", "RUNNING")
    job_on(patient_cluster, "1").get_status()
    assert job_on(patient_cluster, "2").get_status() == "RUNNING"


def test_a_job_found_again_is_looked_at_however_recently_another_future_was(
    patient_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("1", "CANCELLED")
    assert job_on(patient_cluster, "1").get_status() == "CANCELLED"
    assert job_on(patient_cluster, "1").get_status() == "CANCELLED"


def test_asking_when_nobody_answers_is_an_error_and_no_state(
    patient_cluster: Cluster, backend: FakeBackend
) -> None:
    job = job_on(patient_cluster, "1")
    backend.query_error = SchedulerUnreachable("no answer")
    with pytest.raises(SchedulerUnreachable):
        job.get_status()
    assert job.status.state == "PENDING"


def test_two_threads_watch_all_jobs_and_end(fake_cluster: Cluster, backend: FakeBackend) -> None:
    before = set(threading.enumerate())
    for number in range(20):
        backend.say(str(number), "RUNNING")
        job_on(fake_cluster, str(number))
    threads = set(threading.enumerate()) - before
    assert len(threads) == 2
    assert all(thread.daemon for thread in threads), "they keep no process alive"
    tracker_of(fake_cluster).stop()
    backend.close()  # what it listens to
    tracker_of(fake_cluster).join()
    assert not any(thread.is_alive() for thread in threads)


def test_callbacks_are_called_one_at_a_time(fake_cluster: Cluster, backend: FakeBackend) -> None:
    """Though one thread hears that a job has ended, and another sees it of a second one."""
    first, second = job_on(fake_cluster, "1"), job_on(fake_cluster, "2")
    called: list[str] = []

    def slow(job: Job[Any]) -> None:
        backend.say("2", "FAILED")
        assert second.wait(DEADLINE), "its end is known all the same"
        called.append(f"{job.id} of {first.id} and {second.id}")

    first.add_done_callback(slow)
    second.add_done_callback(lambda job: called.append(job.id))
    backend.say("2", "RUNNING")
    backend.finish(first)
    wait_until(lambda: len(called) == 2, "both have been called back")
    assert called == ["1 of 1 and 2", "2"]


@pytest.mark.parametrize("error", [SystemExit(1), asyncio.CancelledError(), KeyboardInterrupt()])
def test_what_a_callback_raises_ends_no_thread_that_watches(
    error: BaseException,
    fake_cluster: Cluster,
    backend: FakeBackend,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(job: Job[Any]) -> None:
        raise error

    for number in range(3):
        job = job_on(fake_cluster, str(number))
        called: list[Job[Any]] = []
        job.add_done_callback(fail)
        job.add_done_callback(called.append)
        backend.finish(job)
        wait_until(lambda called=called: called, "the other callback is called")  # type: ignore[misc]
    assert len(caplog.records) == 3


def test_ctrl_c_in_a_callback_keeps_none_from_being_called(
    patient_cluster: Cluster, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking for a status calls back in the thread that asks."""
    first, second = job_on(patient_cluster, "1"), job_on(patient_cluster, "2")
    backend.wait_until(lambda: bool(backend.queries))
    called: list[Job[Any]] = []

    def interrupt(job: Job[Any]) -> None:
        raise KeyboardInterrupt

    first.add_done_callback(interrupt)
    first.add_done_callback(called.append)
    second.add_done_callback(called.append)
    for job in (first, second):
        backend.say(job.id, "CANCELLED")
    monkeypatch.setattr(tracker_of(patient_cluster), "interval_min", 0.0)
    with pytest.raises(KeyboardInterrupt):
        first.get_status()
    wait_until(lambda: len(called) == 2, "the others are called")
    assert called == [first, second]


def test_a_stopped_tracker_watches_nothing_more(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    tracker = tracker_of(fake_cluster)
    tracker.stop()
    tracker.join()
    with pytest.raises(SlurmError, match="closed"):
        job_on(fake_cluster, "1")
