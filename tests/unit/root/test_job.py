"""Jobs as futures: results, failures in words, and waits that end. The backend is a fake."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend

from slurm import Job, errors
from slurm.results import outcome

DEADLINE = 60.0


# --- results -------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [5, None, [], {"a": (1, 2)}])
def test_a_result_is_what_the_task_returned(
    value: Any, job: Job[Any], backend: FakeBackend
) -> None:
    backend.finish(job, value)
    assert job.get_result(timeout=DEADLINE) == value
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
