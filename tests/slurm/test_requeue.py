"""Jobs that somebody else requeues. Those that ask for it are in tests/conformance."""

from __future__ import annotations

import pytest
from tests.helpers.cluster_files import wait_for_file

import requeue_tasks
from slurm import Cluster
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

# Slurm lets a requeued job begin again after the life of a credential, 15 s on this cluster.
TIMEOUT = 400.0


def test_a_requeue_by_somebody_else_is_no_end(
    ssh: Cluster, slurm_cluster: DockerCluster, workdir: str
) -> None:
    job = requeue_tasks.waits_in_the_first_attempt(f"{workdir}/mark")
    wait_for_file(ssh, f"{workdir}/mark")
    slurm_cluster.exec("login", ["scontrol", "requeue", job.id], user="dev")
    assert job.get_result(TIMEOUT) == 2
