"""Jobs that are found again: watched from their first use, whichever it is. The backend is a fake."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.counted import assert_linear
from tests.helpers.fakes import FakeBackend, job_on, tracker_of

from slurm import ArrayJob, Cluster, Job, as_completed, gather
from slurm.errors import JobFailed, JobTimeout, TransportError
from slurm.job_dir.paths import ArrayDirectory
from slurm.job_dir.result import dump_envelope, value_envelope
from slurm.sbatch.array_layout import ArrayLayout
from slurm.states import Observation
from slurm.tracking.submitted_array import SubmittedArray

DEADLINE = 60.0


def left(backend: FakeBackend, number: int, **metadata: Any) -> str:
    """What a job that another client submitted has left; its directory."""
    path = f"/jobs/{number}"
    content = {"token": f"t{number}", "job_id": str(number), "task_name": "train", **metadata}
    backend.files[f"{path}/metadata.json"] = json.dumps(content).encode()
    return path


def result(path: str, backend: FakeBackend, value: object = 1) -> None:
    backend.files[f"{path}/result.pkl"] = dump_envelope(value_envelope(value, 1))


@pytest.fixture
def found(fake_cluster: Cluster, backend: FakeBackend) -> Job[Any]:
    """A job that another client submitted, and that runs."""
    backend.say("7", "RUNNING")
    return Job.from_dir(left(backend, 7, status="running"), fake_cluster)


def array_in(cluster: Cluster, count: int) -> ArrayJob[Any]:
    layout = ArrayLayout(count, 1, 1001)
    state = SubmittedArray(("5",), ArrayDirectory("/jobs/a"), layout, "ta", reattached=True)
    array: ArrayJob[Any] = cluster.submitter.array_of("train", state)
    return array


async def awaited(job: Job[Any]) -> Any:
    return await job


FIRST_USES: dict[str, Callable[[Job[Any]], object]] = {
    "is_completed": Job.is_completed,
    "is_running": Job.is_running,
    "is_successful": Job.is_successful,
    "done": Job.done,
    "get_status": Job.get_status,
    "status": lambda job: job.status,
    "repr": repr,
    "wait": lambda job: job.wait(0),
    "add_done_callback": lambda job: job.add_done_callback(lambda _: None),
}


@pytest.mark.parametrize("use", FIRST_USES.values(), ids=FIRST_USES)
def test_a_found_job_is_watched_from_its_first_use(
    use: Callable[[Job[Any]], object], found: Job[Any], backend: FakeBackend
) -> None:
    use(found)
    backend.wait_until(lambda: ["7"] in backend.queries)
    backend.say("7", "FAILED")
    wait_until(found.is_completed, "the job has failed")
    assert found.get_status() == "FAILED"


WAITS: dict[str, Callable[[Job[Any]], object]] = {
    "get_result": lambda job: job.get_result(DEADLINE),
    "gather": lambda job: gather(job)[0],
    "as_completed": lambda job: next(one.result() for one in as_completed([job], DEADLINE)),
    "await": lambda job: asyncio.run(awaited(job)),
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_a_wait_for_a_found_job_ends(
    wait: Callable[[Job[Any]], object], found: Job[Any], backend: FakeBackend
) -> None:
    threading.Timer(0.05, backend.finish, (found, "done")).start()
    assert wait(found) == "done"


def test_finding_starts_no_thread_and_asks_nobody(
    found: Job[Any], fake_cluster: Cluster, backend: FakeBackend
) -> None:
    assert found.reattached
    assert found.id == "7"
    assert backend.queries == []
    assert fake_cluster.operations._own.get().tracker is None


def test_one_that_is_found_while_another_is_looked_at_is_looked_at_too(
    fake_cluster: Cluster, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Job.from_dir(left(backend, 7, status="completed"), fake_cluster)
    second = Job.from_dir(left(backend, 8, status="completed"), fake_cluster)
    backend.say("8", "RUNNING")  # its runner has said more than the scheduler knows by now
    reads = backend.read_files

    def meanwhile(paths: Sequence[str]) -> Any:
        fake_cluster.operations.watch([second._record])
        return reads(paths)

    monkeypatch.setattr(backend, "read_files", meanwhile)
    assert first.get_status() == "COMPLETED"
    assert second.get_status() == "COMPLETED"


def test_those_that_are_found_again_are_asked_for_together(
    patient_cluster: Cluster, backend: FakeBackend
) -> None:
    for number in range(20):
        backend.say(str(number), "RUNNING")
    found = [
        Job.from_dir(left(backend, number, status="running"), patient_cluster)
        for number in range(20)
    ]
    backend.reads.clear()
    assert {str(job.get_status()) for job in found} == {"RUNNING"}
    assert sum(map(len, backend.queries)) <= 40
    assert len(backend.reads) <= 2


ENDED: dict[str, tuple[dict[str, Any], str | None, bool, str]] = {
    # what metadata says, what the scheduler says, whether there is a result: how it ended
    "by its own word": ({"status": "completed"}, None, True, "COMPLETED"),
    "it raised": ({"status": "failed"}, None, True, "FAILED"),
    "as a client has noted": ({"status": "timeout"}, None, False, "TIMEOUT"),
    "the scheduler knows": ({"status": "running"}, "OUT_OF_MEMORY", False, "OUT_OF_MEMORY"),
    "forgotten, and no accounts": ({"status": "running"}, None, True, "COMPLETED"),
    "killed, and nobody knows": ({"status": "running"}, None, False, "UNKNOWN"),
    "metadata that is none": ({"status": ["x"]}, "CANCELLED", False, "CANCELLED"),
}


@pytest.mark.parametrize(("metadata", "said", "has_result", "state"), ENDED.values(), ids=ENDED)
def test_a_found_job_that_has_ended_is_completed_at_once(
    metadata: dict[str, Any],
    said: str | None,
    has_result: bool,
    state: str,
    fake_cluster: Cluster,
    backend: FakeBackend,
) -> None:
    path = left(backend, 7, **metadata)
    if has_result:
        result(path, backend)
    if said:
        backend.say("7", said)
    job = Job.from_dir(path, fake_cluster)
    assert job.is_completed()
    assert not job.is_running()
    assert job.status.state == state
    assert job.is_successful() == (state == "COMPLETED")


def test_callbacks_of_a_found_job_are_called_and_errors_say_how_it_ended(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    job = Job.from_dir(left(backend, 7, status="timeout"), fake_cluster)
    called = threading.Event()
    job.add_done_callback(lambda _: called.set())
    assert called.wait(DEADLINE)
    with pytest.raises(JobTimeout):
        job.get_result(DEADLINE)
    assert backend.ends == [], "it was noted already"
    assert backend.queries == [], "its metadata says it all"


def test_a_poll_that_was_under_way_says_nothing_of_a_job_that_was_found_meanwhile(
    patient_cluster: Cluster, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asked about another future of the same job."""
    asked, go_on, query = threading.Event(), threading.Event(), backend.query_jobs

    def slow(ids: Sequence[str]) -> list[Observation]:
        answer = query(ids)
        asked.set()
        assert go_on.wait(DEADLINE)
        return answer

    monkeypatch.setattr(backend, "query_jobs", slow)
    backend.say("7", "RUNNING")
    job_on(patient_cluster, "7")
    assert asked.wait(DEADLINE)
    again = Job.from_dir(left(backend, 7, status="running"), patient_cluster)
    backend.say("7", "SUSPENDED")
    threading.Timer(0.05, go_on.set).start()
    assert again.get_status() == "SUSPENDED"


def test_many_found_jobs_cost_one_question(fake_cluster: Cluster, backend: FakeBackend) -> None:
    numbers = range(1, 301)
    paths = [
        left(backend, number, status="running" if number % 2 else "completed") for number in numbers
    ]
    for number in numbers:
        backend.say(str(number), "RUNNING")
    jobs = [Job.from_dir(path, fake_cluster) for path in paths]
    tracker = tracker_of(fake_cluster)
    tracker.interval_min = tracker._poll_interval.shortest = DEADLINE
    assert [job.is_completed() for job in jobs] == [number % 2 == 0 for number in numbers]
    assert [job.is_running() for job in jobs] == [number % 2 == 1 for number in numbers]
    assert [len(query) for query in backend.queries] == [150]
    assert [len(paths) for paths in backend.reads] == [300]


def test_the_elements_of_a_found_array_are_looked_at_together(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    """Those that could write no metadata of their own are told of in the array's; item 3 ran again since."""
    notes = [{"items": "2-3", "status": "timeout", "ended_at": "2026-01-01T00:00:00.000+00:00"}]
    backend.files["/jobs/a/array_metadata.json"] = json.dumps({"ended": notes}).encode()
    own = {"0": ("completed", ""), "1": ("running", ""), "3": ("running", "2026-01-02")}
    for item, (status, at) in own.items():
        content = {"status": status, "started_at": at}
        backend.files[f"/jobs/a/tasks/00{item}/metadata.json"] = json.dumps(content).encode()
    backend.say("5_1", "RUNNING")
    backend.say("5_3", "RUNNING")
    array = array_in(fake_cluster, 4)
    assert not array.is_completed()
    assert array.is_running()
    assert [job.is_completed() for job in array] == [True, False, True, False]
    assert [job.status.state for job in array] == ["COMPLETED", "RUNNING", "TIMEOUT", "RUNNING"]
    assert backend.queries[0] == ["5_1", "5_3"]
    backend.say("5_1", "COMPLETED")
    backend.say("5_3", "COMPLETED")
    wait_until(array.is_completed, "all elements have ended")


def test_items_of_a_found_array_that_were_noted_one_by_one_are_each_looked_up_once(
    patient_cluster: Cluster, backend: FakeBackend
) -> None:
    def looking(count: int) -> Callable[[], object]:
        at = "2026-01-01T00:00:00.000+00:00"
        ends = [{"items": str(n), "status": "timeout", "ended_at": at} for n in range(count)]
        lines = "".join(f"{json.dumps(end)}\n" for end in ends)
        backend.files["/jobs/a/array_metadata.json"] = b"{}"
        backend.files["/jobs/a/ended.jsonl"] = lines.encode()
        array = array_in(patient_cluster, count)

        def look() -> None:
            assert array.is_completed()
            assert not array.is_successful()

        return look

    assert_linear(looking, 100)


def test_a_first_use_while_nobody_answers_is_no_error_and_no_end(
    found: Job[Any], backend: FakeBackend
) -> None:
    backend.query_error = TransportError("no route to host")
    assert not found.is_completed()
    backend.query_error = None
    backend.say("7", "FAILED")
    with pytest.raises(JobFailed):
        found.get_result(DEADLINE)


def test_using_a_found_job_of_a_closed_cluster_is_told_where_somebody_waits(
    found: Job[Any], fake_cluster: Cluster
) -> None:
    fake_cluster.close()
    assert not found.is_completed()
    assert "7" in repr(found)
    with pytest.raises(Exception, match="closed"):
        found.wait(0)
