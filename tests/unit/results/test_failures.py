"""Jobs without a result: how they ended, in words. The backend is a fake."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend, job_on

from slurm import Cluster, Job, errors
from slurm.job_dir.paths import UNWRITTEN
from slurm.results import failures
from slurm.tracking import accounting
from slurm.usage import Usage

DEADLINE = 60.0
SCRIPT = b"""\
#!/bin/bash
#SBATCH --cpus-per-task=2
#SBATCH --error=/jobs/7/slurm_%j.err
#SBATCH --job-name=train
#SBATCH --mem=1G
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --time=00:10:00

echo '#SBATCH --mem=9G'
"""
USED = {"ElapsedRaw": "192", "NodeList": "c1", "Partition": "cpu", "ReqMem": "1G"}
STEP = {"JobID": "7.batch", "MaxRSS": "1044480K", "State": "CANCELLED"}


def failure(job: Job[Any], timeout: float = DEADLINE) -> errors.JobFailed:
    with pytest.raises(errors.JobFailed) as caught:
        job.get_result(timeout=timeout)
    return caught.value


def first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def on_record(backend: FakeBackend, *rows: Mapping[str, str]) -> None:
    backend.usage = lambda job_ids: list(rows)


@pytest.fixture
def failed(job: Job[Any], backend: FakeBackend) -> Job[Any]:
    """A job with a script and a record, of which a test says how it ended."""
    backend.files["/jobs/7/job.sh"] = SCRIPT
    on_record(backend, {"JobID": "7", "State": "FAILED", **USED}, STEP)
    return job


def test_a_job_that_could_not_write_its_result_says_that(
    failed: Job[Any], backend: FakeBackend
) -> None:
    backend.say("7", "FAILED", exit_code=f"{UNWRITTEN}:0", node="c1")
    error = failure(failed)
    assert type(error) is errors.JobFailed
    assert "its result could not be written: see to it that there is room" in str(error)


@pytest.mark.parametrize(
    ("state", "kind", "advice"),
    [
        ("FAILED", errors.JobFailed, "exit code 1:0"),
        ("CANCELLED", errors.JobCancelled, "submit it again"),
        ("TIMEOUT", errors.JobTimeout, "time="),
        ("DEADLINE", errors.JobTimeout, "deadline="),
        ("OUT_OF_MEMORY", errors.JobOutOfMemory, "mem="),
        ("NODE_FAIL", errors.JobNodeFailed, "requeue=True"),
        ("BOOT_FAIL", errors.JobNodeFailed, "exclude="),
        ("PREEMPTED", errors.JobPreempted, "partition="),
        ("REVOKED", errors.JobFailed, "REVOKED"),
    ],
)
def test_a_failure_says_what_was_asked_and_used_and_what_to_change(
    state: str, kind: type[errors.JobFailed], advice: str, failed: Job[Any], backend: FakeBackend
) -> None:
    backend.files["/jobs/7/slurm_7.err"] = b"x" * 5000 + b"\nslurmstepd: error: \xff the end\n"
    backend.say("7", state, exit_code="1:0", node="c1")
    error = failure(failed)
    assert type(error) is kind
    assert (error.state, error.exit_code) == (state, "1:0")
    assert error.used == Usage(elapsed=192, max_rss=1044480 << 10, nodes="c1")
    assert error.requested == {
        "cpus_per_task": "2",
        "mem": "1G",
        "nodes": "1",
        "ntasks": "1",
        "time": "00:10:00",
        "partition": "cpu",
    }
    assert error.stderr.endswith("the end")
    assert len(str(error)) < 4000
    told = ("job 7 (train)", f"ended as {state}", advice, "/jobs/7", "mem=1G", "time=00:10:00")
    used = ("cpus_per_task=2", "partition=cpu", "1020M", "00:03:12", "on c1")
    assert [part for part in (*told, *used) if part not in first_line(error)] == []
    assert "the end" in str(error)


def test_a_failure_in_full(failed: Job[Any], backend: FakeBackend) -> None:
    backend.say("7", "OUT_OF_MEMORY", exit_code="0:125", node="c1")
    assert str(failure(failed)) == (
        "job 7 (train) ended as OUT_OF_MEMORY; asked for mem=1G, time=00:10:00, cpus_per_task=2, "
        "partition=cpu; ran 00:03:12 on c1 and used at most 1020M; exit code 0:125 (killed for its "
        "memory); ask for more with the option mem=. Its files: /jobs/7"
    )


def test_what_mattered_is_told_first(failed: Job[Any], backend: FakeBackend) -> None:
    backend.say("7", "TIMEOUT", node="c1")
    assert "asked for time=00:10:00, mem=1G" in str(failure(failed))


def test_the_option_to_change_is_the_one_that_was_given(
    failed: Job[Any], backend: FakeBackend
) -> None:
    backend.files["/jobs/7/job.sh"] = SCRIPT.replace(b"--mem=", b"--mem-per-cpu=")
    backend.say("7", "OUT_OF_MEMORY", node="c1")
    error = failure(failed)
    assert "the option mem_per_cpu=" in str(error)
    assert "asked for mem_per_cpu=1G, time" in str(error)
    assert "mem" not in error.requested, "the site's sum is not what was asked for"


def test_a_job_killed_for_its_memory_where_slurm_calls_that_failed(
    failed: Job[Any], backend: FakeBackend
) -> None:
    killed = {"JobID": "7.batch", "MaxRSS": "2000000K", "State": "CANCELLED", "ExitCode": "0:9"}
    on_record(backend, {"JobID": "7", "State": "FAILED", **USED}, killed)
    backend.say("7", "FAILED", exit_code="0:9", node="c1")
    error = failure(failed)
    assert type(error) is errors.JobOutOfMemory
    assert error.state == "FAILED"
    assert "killed for its memory; ask for more with the option mem=" in str(error)


def test_a_file_that_the_local_scheduler_could_not_use_is_named(
    failed: Job[Any], backend: FakeBackend
) -> None:
    reason = "NodeFail: /jobs/.local/spool/7.status is damaged: it is empty"
    backend.say("7", "NODE_FAIL", reason=reason, node="c1")
    assert f"ended as NODE_FAIL ({reason})" in first_line(failure(failed))


def test_who_cancelled_it_is_told(failed: Job[Any], backend: FakeBackend) -> None:
    on_record(backend, {"JobID": "7", "State": "CANCELLED by 1000", **USED})
    backend.say("7", "CANCELLED", node="c1")
    assert "ended as CANCELLED by the user with the id 1000;" in str(failure(failed))


def test_without_script_record_and_stderr_only_what_is_known_is_told(
    job: Job[Any], backend: FakeBackend
) -> None:
    backend.say("7", "TIMEOUT")
    error = failure(job)
    assert str(error) == (
        "job 7 (train) ended as TIMEOUT; ask for more with the option time=, or do less per job. "
        "Its files: /jobs/7"
    )
    assert (error.used, error.requested) == (Usage(), {})


def test_a_failure_travels(failed: Job[Any], backend: FakeBackend) -> None:
    """As out of a workflow, whose child it was."""
    backend.say("7", "TIMEOUT", node="c1")
    error = failure(failed)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own, a moment old
    assert (type(again), str(again), again.used) == (type(error), str(error), error.used)
    assert again.requested == error.requested


# --- when the record is asked for ----------------------------------------------------------------


def test_the_record_of_a_job_with_a_result_is_never_asked_for(
    job: Job[Any], backend: FakeBackend
) -> None:
    backend.finish(job, ValueError("its own"))
    with pytest.raises(ValueError, match="its own"):
        job.get_result(DEADLINE)
    assert backend.usage_queries == []


def test_a_record_that_is_late_is_waited_for(
    failed: Job[Any], backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounting, "RECORD_RETRY", 0.001)
    row = {"JobID": "7", "Source": "sacct", **USED}
    answers: Iterator[list[Mapping[str, str]]] = iter(
        [[], [{**row, "State": "RUNNING"}], [{**row, "State": "TIMEOUT"}]]
    )
    backend.usage = lambda job_ids: next(answers)
    backend.say("7", "TIMEOUT", node="c1")
    assert failure(failed).used.elapsed == 192
    assert len(backend.usage_queries) == 3


def test_a_record_that_never_comes_is_given_up(
    failed: Job[Any], backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "RECORD_GRACE", 0.01)
    backend.usage = lambda job_ids: []
    backend.say("7", "TIMEOUT", node="c1")
    assert failure(failed).used == Usage()


def test_a_record_is_waited_for_no_longer_than_the_caller_has_time(
    failed: Job[Any], backend: FakeBackend
) -> None:
    backend.usage = lambda job_ids: []
    backend.say("7", "TIMEOUT", node="c1")
    assert failed.wait(DEADLINE)
    assert failure(failed, timeout=0).used == Usage()
    assert len(backend.usage_queries) == 1


def test_jobs_that_failed_together_are_asked_for_together(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    jobs = [job_on(fake_cluster, str(number)) for number in range(1, 31)]
    backend.usage = lambda job_ids: [{**USED, "JobID": job_id} for job_id in job_ids]
    for job in jobs:
        backend.say(job.id, "TIMEOUT", node="c1")
    assert all(job.wait(DEADLINE) for job in jobs)
    assert {failure(job).used.elapsed for job in jobs} == {192}
    [asked] = backend.usage_queries
    assert sorted(asked, key=int) == [job.id for job in jobs]


def test_jobs_are_seen_to_end_while_somebody_waits_for_a_record(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    first, second = job_on(fake_cluster, "1"), job_on(fake_cluster, "2")
    backend.say("2", "RUNNING")
    asking, answered = threading.Event(), threading.Event()

    def slow(job_ids: Sequence[str]) -> list[Mapping[str, str]]:
        asking.set()
        assert answered.wait(DEADLINE)
        return [{"JobID": job_id} for job_id in job_ids]

    backend.usage = slow
    backend.say("1", "TIMEOUT", node="c1")
    waiting = threading.Thread(target=first.exception)
    waiting.start()
    assert asking.wait(DEADLINE)
    backend.say("2", "FAILED", node="c1")
    assert second.wait(DEADLINE)
    answered.set()
    waiting.join(DEADLINE)
    assert isinstance(first.exception(), errors.JobTimeout)


def test_a_connection_that_breaks_while_asking_loses_nothing(
    failed: Job[Any], backend: FakeBackend
) -> None:
    def lost(job_ids: Sequence[str]) -> list[Mapping[str, str]]:
        raise errors.TransportError("connection lost")

    before, backend.usage = backend.usage, lost
    backend.say("7", "TIMEOUT", node="c1")
    with pytest.raises(errors.TransportError):
        failed.get_result(DEADLINE)
    backend.usage = before
    assert failure(failed).used.elapsed == 192


def test_a_scheduler_that_does_not_answer_does_not_hide_how_the_job_ended(
    failed: Job[Any], backend: FakeBackend
) -> None:
    def unreachable(job_ids: Sequence[str]) -> list[Mapping[str, str]]:
        raise errors.SchedulerUnreachable("no answer")

    backend.usage = unreachable
    backend.say("7", "TIMEOUT", node="c1")
    error = failure(failed)
    assert type(error) is errors.JobTimeout
    assert error.requested["time"] == "00:10:00"
    assert len(backend.usage_queries) == 1


@pytest.mark.parametrize("state", ["CANCELLED", "UNKNOWN"])
def test_a_record_that_cannot_come_is_not_waited_for(
    state: str, job: Job[Any], backend: FakeBackend
) -> None:
    backend.usage = lambda job_ids: []
    if state == "CANCELLED":  # before it started
        backend.say("7", state)
    else:
        del backend.said["7"]
    assert failure(job).state == state
    assert len(backend.usage_queries) == 1


def test_a_job_that_never_started_says_so(job: Job[Any], backend: FakeBackend) -> None:
    on_record(backend, {"JobID": "7", "Source": "sacct", "State": "CANCELLED", "ElapsedRaw": "0"})
    backend.say("7", "CANCELLED")
    assert "; had not started;" in str(failure(job))
