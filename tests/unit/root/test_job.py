"""Jobs as futures: results, failures in words, and waits that end. The backend is a fake."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend, job_of

from slurm import Cluster, Job, WorkflowContext, errors, task
from slurm.results import outcome

DEADLINE = 60.0


@task
def train(rate: float) -> float:
    return rate


# --- what it is ----------------------------------------------------------------------------------


def test_a_call_makes_a_job_and_so_does_every_item(fake_cluster: Cluster) -> None:
    with fake_cluster:
        called, mapped = train(0.1), train.map([0.1, 0.2])
        elements = list(mapped)
    assert [type(one) for one in (called, *elements, mapped[1])] == [Job] * 4
    assert [one.id for one in elements] == [f"{mapped.id}_0", f"{mapped.id}_1"]


def test_its_directory_is_below_its_task_its_workflow_or_its_array(
    fake_cluster: Cluster, backend: FakeBackend, tmp_path: Path
) -> None:
    ctx = WorkflowContext(fake_cluster, "42", tmp_path / "flow" / "1")
    with fake_cluster:
        called, mapped = train(0.1), train.map([0.1, 0.2]).submit()
    child = train.submit(ctx)(0.1)
    base = Path(fake_cluster.job_base_dir)
    assert Path(called.target_job_dir).parent == base / "train"
    assert called.target_job_dir == backend.requests[0].job_dir
    assert Path(child.target_job_dir).parent == tmp_path / "flow" / "1" / "tasks" / "train"
    array = Path(backend.requests[1].job_dir)
    assert array.parent == base / "train"
    assert [Path(one.target_job_dir) for one in mapped] == [
        array / "tasks" / "000",
        array / "tasks" / "001",
    ]


# --- its state -----------------------------------------------------------------------------------


def answers(job: Job[Any]) -> tuple[bool, bool, bool]:
    return job.is_running(), job.is_completed(), job.is_successful()


@pytest.mark.parametrize(("value", "successful"), [(5, True), (KeyError("gone"), False)])
def test_whether_it_runs_has_ended_and_how(
    value: Any, successful: bool, patient_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("7", "PENDING")
    backend.say("8", "RUNNING")
    waiting, running = (job_of(patient_cluster, job_id) for job_id in ("7", "8"))
    assert (waiting.get_status(), running.get_status()) == ("PENDING", "RUNNING")
    assert answers(waiting) == (False, False, False)
    assert answers(running) == (True, False, False)
    backend.finish(running, value)
    assert running.wait() is True
    assert answers(running) == (False, True, successful)


def test_its_status_is_asked_of_the_scheduler(
    patient_cluster: Cluster, backend: FakeBackend
) -> None:
    job = job_of(patient_cluster, "7")
    backend.say("7", "RUNNING")
    assert job.get_status() == "RUNNING"
    assert backend.queries == [["7"]]


# --- results -------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [5, None, [], {"a": (1, 2)}])
def test_a_result_is_what_the_task_returned(
    value: Any, job: Job[Any], backend: FakeBackend
) -> None:
    backend.finish(job, value)
    assert job.get_result(timeout=DEADLINE) == value
    assert job.get_result() == value
    assert job.is_successful()


def test_a_result_is_fetched_once(
    job: Job[Any], backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    read = backend.read_file

    def counted(path: str) -> bytes:
        reads.append(path)
        return read(path)

    monkeypatch.setattr(backend, "read_file", counted)
    backend.finish(job, [1])
    threads = [threading.Thread(target=job.get_result, args=(DEADLINE,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert job.get_result() is job.get_result()
    assert reads == ["/jobs/7/result.pkl"]


def test_an_exception_is_raised_every_time_with_the_remote_traceback(
    job: Job[Any], backend: FakeBackend
) -> None:
    backend.finish(job, KeyError("gone"))
    for _ in range(2):
        with pytest.raises(KeyError, match="gone") as caught:
            job.get_result(timeout=DEADLINE)
        assert isinstance(caught.value.__cause__, errors.RemoteTraceback)
    assert job.is_completed()
    assert not job.is_successful()


@pytest.mark.parametrize("value", [5, KeyError("gone")], ids=["returned", "raised"])
def test_a_result_that_is_late_on_this_machine_is_waited_for(
    value: Any, job: Job[Any], backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome, "RESULT_RETRY", 0.001)
    read, late = backend.read_file, iter(range(3))

    def read_late(path: str) -> bytes:
        for _ in late:
            raise errors.RemoteFileMissing(path)
        return read(path)

    monkeypatch.setattr(backend, "read_file", read_late)
    backend.finish(job, value)
    if isinstance(value, Exception):
        assert isinstance(job.exception(timeout=DEADLINE), KeyError)
    else:
        assert job.get_result(timeout=DEADLINE) == value


def test_a_job_that_ended_well_without_a_result_says_so(
    job: Job[Any], backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job.cluster.operations._own.get().outcomes, "grace", 0.0)
    backend.say("7", "COMPLETED")
    with pytest.raises(errors.ResultMissing, match=r"/jobs/7/result\.pkl") as caught:
        job.get_result(timeout=DEADLINE)
    assert (caught.value.job_id, caught.value.job_dir) == ("7", "/jobs/7")


def test_a_damaged_result_is_corrupted_and_names_the_file(
    job: Job[Any], backend: FakeBackend
) -> None:
    backend.finish(job, 5)
    backend.files["/jobs/7/result.pkl"] = backend.files["/jobs/7/result.pkl"][:-9]
    with pytest.raises(errors.ResultCorrupted, match=r"/jobs/7/result\.pkl"):
        job.get_result(timeout=DEADLINE)


def test_a_connection_that_breaks_while_fetching_loses_nothing(
    job: Job[Any], backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.finish(job, 5)
    assert job.wait(DEADLINE)
    with monkeypatch.context() as broken:

        def lost(path: str) -> bytes:
            raise errors.TransportError("connection lost")

        broken.setattr(backend, "read_file", lost)
        with pytest.raises(errors.TransportError):
            job.get_result()
    assert job.get_result() == 5


def test_a_result_left_before_the_job_was_cancelled_is_still_the_result(
    job: Job[Any], backend: FakeBackend
) -> None:
    backend.say("7", "CANCELLED")
    assert job.wait(DEADLINE)
    backend.finish(job, 5)
    assert job.get_result() == 5


# --- the rest ------------------------------------------------------------------------------------


def test_cancelling_asks_the_scheduler_and_lets_it_say_when(
    job: Job[Any], backend: FakeBackend
) -> None:
    job.cancel()
    assert backend.cancelled == ["7"]
    assert not job.is_completed()
    backend.say("7", "CANCELLED")
    with pytest.raises(errors.JobCancelled):
        job.get_result(timeout=DEADLINE)
    job.cancel()
    assert backend.cancelled == ["7"], "a job that has ended is left alone"


def test_output_is_what_the_job_has_written_so_far(job: Job[Any], backend: FakeBackend) -> None:
    assert (job.get_stdout(), job.get_stderr()) == ("", "")
    backend.files["/jobs/7/slurm_7.out"] = b"step 1\n\xff"
    backend.files["/jobs/7/slurm_7.err"] = b"warning\n"
    assert job.get_stdout() == "step 1\n\N{REPLACEMENT CHARACTER}"
    assert job.get_stderr() == "warning\n"


def test_a_job_prints_as_what_it_is(job: Job[Any]) -> None:
    assert repr(job).startswith("<Job 7 train ")
