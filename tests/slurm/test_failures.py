"""Jobs that a real Slurm ends: what it has on record of them. The time limit is the conformance suite's.

A job is killed for its memory here without cgroups, which makes it FAILED; OUT_OF_MEMORY, as PREEMPTED, is
shown on recorded rows in the fast tier.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import cluster_tasks
from slurm import Cluster
from slurm.errors import JobNodeFailed, JobOutOfMemory
from slurm.testing import DockerCluster
from waiting import wait_for_file

pytestmark = pytest.mark.slurm

TIMEOUT = 240.0
NODES = ("c1", "c2")


@pytest.fixture
def all_nodes_after(slurm_cluster: DockerCluster) -> Iterator[None]:
    yield
    for node in NODES:  # an error where it is back already
        argv = ["scontrol", "update", f"nodename={node}", "state=resume"]
        slurm_cluster.exec("login", argv, check=False)


@pytest.mark.usefixtures("ssh")
def test_a_job_killed_for_its_memory_says_how_much_it_used() -> None:
    job = cluster_tasks.fill_memory.with_options(acctg_freq="task=1")(300)
    with pytest.raises(JobOutOfMemory, match="asked for mem=100M") as raised:
        job.get_result(TIMEOUT)
    error = raised.value
    assert error.used.max_rss is not None
    assert error.used.max_rss > 100 << 20, "it was seen above its limit"
    assert error.used.elapsed is not None
    assert error.used.nodes in NODES
    assert "ask for more with the option mem=" in str(error)
    assert "exceeded memory limit" in error.stderr


@pytest.mark.usefixtures("all_nodes_after")
def test_a_job_whose_node_fails_says_which(
    ssh: Cluster, slurm_cluster: DockerCluster, workdir: str
) -> None:
    # A node to itself, and only when nobody else wants one: the others' jobs must not fail with it.
    alone = {"exclusive": True, "nice": 10000, "no_requeue": True}
    job = cluster_tasks.sleep_in_a_child.with_options(**alone)(300, f"{workdir}/mark")
    wait_for_file(ssh, f"{workdir}/mark")
    asked = slurm_cluster.exec("login", ["squeue", "-h", "-j", job.id, "-o", "%N"])
    node = asked.stdout.strip()
    assert node in NODES
    down = ["scontrol", "update", f"nodename={node}", "state=down", "reason=a test"]
    slurm_cluster.exec("login", down)
    with pytest.raises(JobNodeFailed, match="ended as NODE_FAIL") as raised:
        job.get_result(TIMEOUT)
    assert raised.value.used.nodes == node
    assert f"on {node}" in str(raised.value)
    assert raised.value.requested["mem"] == "100M"
