"""Jobs that go back into the queue. Those that their time limit brings back are in `test_time_limits`."""

from __future__ import annotations

import json

import pytest
from tests.conformance.sites import Gate
from tests.conformance.waiting import PATIENCE

import conformance_requeues as requeues
import conformance_tasks as tasks
from slurm import Cluster
from slurm.errors import JobCancelled


def test_a_job_that_asks_comes_back_to_its_directory(cluster: Cluster) -> None:
    job = requeues.comes_back(2)
    after = tasks.echo(job)
    assert job.get_result(PATIENCE) == {"attempt": 2, "visits": [job.id, job.id]}
    assert job.get_stdout().splitlines() == ["attempt 1", "attempt 2"]
    assert job.get_status() == "COMPLETED"
    metadata = json.loads(cluster.backend.read_file(f"{job.job_dir}/metadata.json"))
    assert (metadata["status"], metadata["attempt"], metadata["requeues"]) == ("completed", 2, 1)
    assert after.get_result(PATIENCE)[0][0]["attempt"] == 2


def test_a_cancelled_job_does_not_come_back(cluster: Cluster, gate: Gate) -> None:
    job = requeues.asks_when_told(gate.path)
    gate.wait_until_started()
    job.cancel()
    with pytest.raises(JobCancelled):
        job.get_result(PATIENCE)
    assert job.get_status() == "CANCELLED"
    assert cluster.get_job(job.id).get_status() == "CANCELLED"
