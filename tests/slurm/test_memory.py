"""Jobs that take more memory than they asked for, where the kernel limits it and where Slurm looks now and then."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.helpers.clients import active_client

import cluster_tasks
from slurm import Cluster
from slurm.errors import JobOutOfMemory
from slurm.job import Job
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

TIMEOUT = 240.0
# What Slurm has on record of such a job.
LIMITED, LOOKED_AT = "OUT_OF_MEMORY|0:125", "FAILED|"


@pytest.fixture
def elsewhere(site: DockerCluster) -> Iterator[Cluster]:
    """A site without cgroups, active."""
    with active_client(site) as connected:
        yield connected


def on_record(job: Job[int], docker: DockerCluster) -> str:
    asked = ["sacct", "-X", "-n", "-P", "-j", job.id, "-o", "State,ExitCode"]
    return docker.over_exec.run(asked).stdout.strip()


@pytest.mark.usefixtures("late_accounts")
def test_a_job_over_its_memory_ends_and_its_neighbour_lives(
    ssh: Cluster, slurm_cluster: DockerCluster, workdir: str
) -> None:
    limited = slurm_cluster.features.memory_limits
    neighbour = cluster_tasks.wait_for.with_options(nodelist="c1")(f"{workdir}/go")
    greedy = cluster_tasks.fill_memory.with_options(nodelist="c1", acctg_freq="task=1")(300)
    with pytest.raises(JobOutOfMemory, match="asked for mem=100M") as raised:
        greedy.get_result(TIMEOUT)
    assert raised.value.state == ("OUT_OF_MEMORY" if limited else "FAILED")
    assert raised.value.used.nodes == "c1"
    assert "ask for more with the option mem=" in str(raised.value)
    assert on_record(greedy, slurm_cluster).startswith(LIMITED if limited else LOOKED_AT)
    assert neighbour.get_status() == "RUNNING"
    ssh.backend.write_file(f"{workdir}/go", b"")
    assert neighbour.get_result(TIMEOUT) == f"{workdir}/go"


@pytest.mark.usefixtures("elsewhere", "late_accounts")
def test_where_the_kernel_limits_nothing_slurm_ends_what_it_sees(site: DockerCluster) -> None:
    assert not site.features.memory_limits
    assert site.features.cgroups is None
    job = cluster_tasks.fill_memory.with_options(partition="others", acctg_freq="task=1")(300)
    with pytest.raises(JobOutOfMemory, match="asked for mem=100M") as raised:
        job.get_result(TIMEOUT)
    error = raised.value
    assert error.state == "FAILED"
    assert error.used.max_rss is not None
    assert error.used.max_rss > 100 << 20, "it was seen above its limit"
    assert error.used.elapsed is not None
    assert "it was killed for its memory; ask for more with the option mem=" in str(error)
    assert "exceeded memory limit" in error.stderr
    assert on_record(job, site).startswith(LOOKED_AT)
