"""Jobs that somebody cancels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from tests.conformance.sites import Gate
from tests.conformance.waiting import PATIENCE

import conformance_tasks as tasks
from slurm import Cluster, Job
from slurm.errors import DependencyFailed, JobCancelled


class Cancelled(NamedTuple):
    running: Job[Any]
    pending: Job[Any]
    dependent: Job[Any]


@pytest.fixture(scope="module")
def jobs(client: Cluster, new_gate: Callable[[], Gate]) -> Cancelled:
    """A running job and one that waits for another, both cancelled; and one that needs the first."""
    to_cancel, to_wait_for = new_gate(), new_gate()
    with client:
        running = tasks.wait_for(to_cancel.path)
        dependent = tasks.echo(running)
        pending = tasks.echo.after(tasks.wait_for(to_wait_for.path))("never")
    for gate in (to_cancel, to_wait_for):
        gate.wait_until_started()
    for job in (running, pending):
        job.cancel()
        job.cancel()
    return Cancelled(running, pending, dependent)


def test_a_running_job_can_be_cancelled(jobs: Cancelled) -> None:
    with pytest.raises(JobCancelled, match=f"job {jobs.running.id} ") as raised:
        jobs.running.get_result(PATIENCE)
    assert raised.value.state == jobs.running.get_status() == "CANCELLED"
    assert jobs.running.is_completed()
    assert not jobs.running.is_successful()


def test_a_pending_job_can_be_cancelled_and_never_starts(jobs: Cancelled, client: Cluster) -> None:
    with pytest.raises(JobCancelled):
        jobs.pending.get_result(PATIENCE)
    assert jobs.pending.get_stdout() == ""
    assert not client.backend.file_exists(f"{jobs.pending.job_dir}/result.pkl")


def test_what_needs_a_cancelled_job_never_starts(jobs: Cancelled) -> None:
    with pytest.raises(DependencyFailed, match=f"job {jobs.running.id} .*CANCELLED"):
        jobs.dependent.get_result(PATIENCE)


def test_a_job_that_has_ended_stays_as_it_is(cluster: Cluster) -> None:
    job = tasks.double(2)
    job.wait(PATIENCE)
    job.cancel()
    cluster.get_job(job.id).cancel()
    assert job.get_result(PATIENCE) == 4
    assert cluster.get_job(job.id).get_result(PATIENCE) == 4
    assert job.get_status() == "COMPLETED"
