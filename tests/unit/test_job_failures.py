"""Jobs without a result: how they ended, in words. The backend is a fake."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.fakes import FakeBackend

from slurm import Job, errors

DEADLINE = 20


@pytest.mark.parametrize(
    ("state", "kind", "advice"),
    [
        ("FAILED", errors.JobFailed, "exit code 1:0"),
        ("CANCELLED", errors.JobCancelled, "CANCELLED"),
        ("TIMEOUT", errors.JobTimeout, "time="),
        ("DEADLINE", errors.JobTimeout, "DEADLINE"),
        ("OUT_OF_MEMORY", errors.JobOutOfMemory, "mem="),
        ("NODE_FAIL", errors.JobNodeFailed, "requeue"),
        ("BOOT_FAIL", errors.JobNodeFailed, "BOOT_FAIL"),
        ("PREEMPTED", errors.JobPreempted, "requeue"),
        ("REVOKED", errors.JobFailed, "REVOKED"),
    ],
)
def test_a_failure_says_how_the_job_ended_and_what_to_change(
    state: str, kind: type[errors.JobFailed], advice: str, job: Job[Any], backend: FakeBackend
) -> None:
    backend.files["/jobs/7/slurm_7.err"] = b"x" * 5000 + b"\nslurmstepd: error: \xff the end\n"
    backend.say("7", state, exit_code="1:0")
    with pytest.raises(errors.JobFailed) as caught:
        job.get_result(timeout=DEADLINE)
    assert type(caught.value) is kind
    assert (caught.value.state, caught.value.exit_code) == (state, "1:0")
    assert caught.value.stderr.endswith("the end")
    message = str(caught.value)
    assert len(message) < 4000
    assert all(part in message for part in ("job 7 (train)", state, advice, "/jobs/7", "the end"))


def test_a_failure_without_any_stderr_is_one_line(job: Job[Any], backend: FakeBackend) -> None:
    backend.say("7", "FAILED")
    with pytest.raises(errors.JobFailed) as caught:
        job.get_result(timeout=DEADLINE)
    assert "\n" not in str(caught.value)
