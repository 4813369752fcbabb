"""Sites that refuse one of the SDK's defaults, and what is said of a job that waits because of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conformance.waiting import wait_until

import cluster_tasks
from slurm import Cluster, task
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

TIMEOUT = 240.0
SHORT = "PartitionName=short"


@pytest.fixture
def short(slurm_cluster: DockerCluster) -> Iterator[str]:
    """A partition that allows two minutes, less than the ten that a job asks for by itself."""
    of_the_site = [SHORT, "Nodes=c1", "MaxTime=2", "DefaultTime=2", "OverSubscribe=NO"]
    slurm_cluster.exec("slurmctld", ["scontrol", "create", *of_the_site])
    yield "short"
    slurm_cluster.exec("slurmctld", ["scontrol", "delete", SHORT])


def test_a_job_that_never_starts_says_why_and_starts_without_our_default(
    ssh: Cluster, short: str
) -> None:
    add = task(partition=short)(cluster_tasks.add.unwrapped)
    hopeless = add(1, 2)
    array = add.map([(1, 2), (3, 4)]).submit()
    wait_until(lambda: "PartitionTimeLimit" in repr(array), "the scheduler's reason is known")
    wait_until(lambda: "PartitionTimeLimit" in repr(hopeless), "the scheduler's reason is known")
    with pytest.raises(TimeoutError, match=r"is PENDING \(PartitionTimeLimit\).*time=None"):
        hopeless.get_result(timeout=0)
    with pytest.raises(TimeoutError, match=r"2 PENDING \(PartitionTimeLimit\): items 0-1"):
        array.get_results(timeout=0)
    left_out = add.with_options(time=None)(1, 2)
    assert left_out.get_result(TIMEOUT) == 3
    for job in (hopeless, array):
        job.cancel()
        assert job.wait(TIMEOUT)
