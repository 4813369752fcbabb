"""What a wait that was too short says: the state and, of what waits, the reason that the last poll had."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.fakes import FakeBackend, job_on

from slurm import ArrayJob, Cluster, Job, as_completed, task


@task
def train(number: int = 0) -> int:
    return number


@pytest.fixture
def waiting(fake_cluster: Cluster, backend: FakeBackend) -> Job[Any]:
    """A job of which the tracker has heard that it waits for resources."""
    backend.say("7", "PENDING", reason="Resources")
    job = job_on(fake_cluster, "7")
    job.get_status()
    return job


@pytest.mark.parametrize("wait", ["get_result", "result", "exception"])
def test_a_timeout_says_why_the_job_waits(wait: str, waiting: Job[Any]) -> None:
    with pytest.raises(TimeoutError) as caught:
        getattr(waiting, wait)(timeout=0.01)
    assert str(caught.value) == "job 7 (train) is PENDING (Resources) after 0.01 s"
    assert repr(waiting) == "<Job 7 train PENDING (Resources)>"


def test_of_a_job_that_runs_there_is_nothing_to_say(
    waiting: Job[Any], backend: FakeBackend
) -> None:
    backend.say("7", "RUNNING", reason="None")
    wait_until(waiting.is_running, "it runs")
    assert repr(waiting) == "<Job 7 train RUNNING>"
    backend.say("7", "FAILED", reason="NonZeroExitCode")
    assert waiting.wait(60)
    assert repr(waiting) == "<Job 7 train FAILED>"


@pytest.mark.parametrize("reason", ["", "None", "(null)"])
def test_no_reason_is_not_shown(reason: str, fake_cluster: Cluster, backend: FakeBackend) -> None:
    backend.say("8", "PENDING", reason=reason)
    job = job_on(fake_cluster, "8")
    job.get_status()
    assert repr(job) == "<Job 8 train PENDING>"


def test_what_waits_for_ever_is_told_what_helps(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("9", "PENDING", reason="PartitionTimeLimit")
    job = job_on(fake_cluster, "9")
    job.get_status()
    with pytest.raises(TimeoutError, match=r"\(PartitionTimeLimit\) after 0 s: .* with time=None"):
        job.get_result(0)


def test_nobody_is_asked_for_it(patient_cluster: Cluster, backend: FakeBackend) -> None:
    """The cluster polls once in ten minutes by itself."""
    job = job_on(patient_cluster, "7")
    backend.say("7", "PENDING", reason="Priority")
    job.get_status()
    asked = len(backend.queries)
    with pytest.raises(TimeoutError, match="Priority"):
        job.get_result(0)
    assert "Priority" in repr(job)
    assert len(backend.queries) == asked


# --- several -----------------------------------------------------------------------------------------


@pytest.fixture
def array(fake_cluster: Cluster, backend: FakeBackend) -> ArrayJob[int]:
    """Five elements: one has ended, one runs, three wait for two reasons."""
    array = fake_cluster.map(train, range(5)).submit()
    backend.finish(array[1], 1)
    backend.say(array[0].id, "RUNNING")
    for index, reason in ((2, "Priority"), (3, "Resources"), (4, "Resources")):
        backend.say(array[index].id, "PENDING", reason=reason)
    wait_until(lambda: array[1].done() and "2 PENDING" in repr(array), "the tracker has heard")
    return array


SUMMARY = (
    "4 of 5 jobs have not ended: 1 RUNNING: item 0; 1 PENDING (Priority): item 2; "
    "2 PENDING (Resources): items 3-4"
)
WAITS: dict[str, Callable[[ArrayJob[int]], object]] = {
    "get_results": lambda array: array.get_results(timeout=0),
    "result": lambda array: array.result(timeout=0),
    "exception": lambda array: array.exception(timeout=0),
    "as_completed": lambda array: list(as_completed(array, timeout=0)),
}


@pytest.mark.parametrize("way", WAITS)
def test_an_array_says_which_of_its_items_wait_and_why(way: str, array: ArrayJob[int]) -> None:
    with pytest.raises(TimeoutError) as caught:
        WAITS[way](array)
    assert str(caught.value).endswith(SUMMARY)
    assert "\n" not in str(caught.value)


def test_an_array_shows_how_many_wait(array: ArrayJob[int]) -> None:
    shown = f"<ArrayJob {array.id} train of 5, 2 PENDING (Resources), 1 PENDING (Priority)>"
    assert repr(array) == shown


def test_jobs_that_are_no_array_are_named_by_their_ids(
    waiting: Job[Any], fake_cluster: Cluster
) -> None:
    other = job_on(fake_cluster, "12")
    with pytest.raises(TimeoutError) as caught:
        list(as_completed([waiting, other], timeout=0))
    said = "2 of 2 jobs have not ended: 1 PENDING (Resources): 7; 1 PENDING: 12"
    assert str(caught.value) == said


def test_a_future_of_an_executor_says_it_too(fake_cluster: Cluster, backend: FakeBackend) -> None:
    future = fake_cluster.executor().submit(train, 1)
    backend.say(future.job.id, "PENDING", reason="Resources")
    future.job.get_status()
    wait_until(lambda: "Resources" in repr(future.job), "the tracker has heard")
    for wait in (future.result, future.exception):
        with pytest.raises(concurrent.futures.TimeoutError, match=r"is PENDING \(Resources\)"):
            wait(timeout=0)
    backend.finish(future.job, TimeoutError("the task's own"))
    with pytest.raises(TimeoutError, match=r"^the task's own$"):
        future.result(timeout=60)
