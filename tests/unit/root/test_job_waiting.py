"""Waits that end: timeouts, interrupts, and clusters that are closed. The backend is a fake."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend, job_on

from slurm import Cluster, Job, errors

DEADLINE = 60.0


def test_a_wait_is_no_longer_for_a_cluster_that_is_rarely_asked(
    patient_cluster: Cluster, backend: FakeBackend
) -> None:
    """Were it as long as the poll interval of ten minutes, this test would run into its own limit."""
    backend.say("7", "RUNNING")
    job = job_on(patient_cluster, "7")
    assert job.wait(timeout=0.01) is False
    backend.finish(job, 5)
    assert job.get_result(timeout=DEADLINE) == 5


def test_a_wait_that_times_out_says_so(job: Job[Any]) -> None:
    assert job.wait(timeout=0.01) is False
    with pytest.raises(TimeoutError, match=r"job 7 \(train\) is RUNNING|is PENDING"):
        job.get_result(timeout=0.01)
    assert not job.is_completed()


@pytest.mark.parametrize("way", ["get_result", "result", "exception"])
def test_a_result_that_is_late_is_not_waited_for_longer_than_was_asked(
    way: str, job: Job[Any], backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job.cluster.operations._own.get().outcomes, "grace", 600.0)
    backend.say("7", "COMPLETED")
    assert job.wait(DEADLINE)
    told: list[BaseException] = []

    def ask() -> None:
        try:
            getattr(job, way)(timeout=0.01)
        except (TimeoutError, errors.ResultMissing) as error:
            told.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(DEADLINE)
    assert not thread.is_alive(), f"{way}(timeout=0.01) takes ten minutes"
    assert told


presses = iter([KeyboardInterrupt])


def interrupted_once() -> int:
    for press in presses:
        raise press
    return 5


class Slow:
    """Takes long to unpickle: the user presses Ctrl-C meanwhile."""

    def __reduce__(self) -> Any:
        return interrupted_once, ()


def test_an_interrupt_while_fetching_is_not_the_jobs_result(
    job: Job[Any], backend: FakeBackend
) -> None:
    backend.finish(job, Slow())
    assert job.wait(DEADLINE)
    with pytest.raises(KeyboardInterrupt):
        job.get_result()
    try:
        assert job.get_result() == 5
    except KeyboardInterrupt:  # which would end the test run
        pytest.fail("the interrupt was kept as the job's result")


def test_many_threads_may_wait(job: Job[Any], backend: FakeBackend) -> None:
    done: list[bool] = []
    threads = [threading.Thread(target=lambda: done.append(job.wait(DEADLINE))) for _ in range(8)]
    for thread in threads:
        thread.start()
    backend.finish(job, 5)
    for thread in threads:
        thread.join()
    assert done == [True] * 8


def test_a_waiter_is_told_when_the_cluster_is_closed(job: Job[Any], fake_cluster: Cluster) -> None:
    told: list[BaseException] = []

    def wait() -> None:
        try:
            job.get_result()
        except errors.SlurmError as error:
            told.append(error)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    fake_cluster.close()
    thread.join(DEADLINE)
    assert not thread.is_alive(), "it would wait for ever: nobody watches the job any more"
    assert "closed" in str(told[0])


def test_a_finished_job_answers_when_its_cluster_is_closed(
    job: Job[Any], backend: FakeBackend, fake_cluster: Cluster
) -> None:
    backend.finish(job, 5)
    assert job.get_result(timeout=DEADLINE) == 5
    fake_cluster.close()
    assert job.get_result() == 5
    assert job.wait()
    assert job.get_status() == "COMPLETED"
