"""Jobs that go back into the queue of a real Slurm: by themselves, by an administrator, at their limit."""

from __future__ import annotations

import pytest

import requeue_tasks
from accounting import settled
from slurm import Cluster
from slurm.errors import JobCancelled
from slurm.testing import DockerCluster
from waiting import wait_for_file

pytestmark = pytest.mark.slurm

# Slurm lets a requeued job begin again after the life of a credential, 15 s on this cluster.
TIMEOUT = 180.0


def test_a_job_that_asks_comes_back_to_its_directory(ssh: Cluster) -> None:
    job = requeue_tasks.comes_back(2)
    assert job.get_result(TIMEOUT) == {"id": job.id, "attempt": 2, "done": "xx"}
    assert job.get_stdout().splitlines() == ["attempt 1", "attempt 2"]


def test_a_requeue_by_somebody_else_is_no_end(
    ssh: Cluster, slurm_cluster: DockerCluster, workdir: str
) -> None:
    job = requeue_tasks.waits_in_the_first_attempt(f"{workdir}/mark")
    wait_for_file(ssh, f"{workdir}/mark")
    slurm_cluster.exec("login", ["scontrol", "requeue", job.id], user="dev")
    assert job.get_result(TIMEOUT) == 2


def test_a_job_that_is_cancelled_does_not_come_back(
    ssh: Cluster, slurm_cluster: DockerCluster, workdir: str
) -> None:
    job = requeue_tasks.waits_in_the_first_attempt(f"{workdir}/mark")
    wait_for_file(ssh, f"{workdir}/mark")
    job.cancel()
    with pytest.raises(JobCancelled):
        job.get_result(TIMEOUT)
    settled(slurm_cluster, [job.id], "CANCELLED")


def test_a_job_that_ignores_its_warning_is_requeued_before_its_limit(ssh: Cluster) -> None:
    job = requeue_tasks.ends_in_the_second_attempt()
    assert job.get_result(TIMEOUT) == ["told False", "told True"]
    assert "goes back into the queue" in job.get_stderr()
