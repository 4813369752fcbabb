"""Programs of MPI on two nodes: from a task, and as a job of Slurm's alone."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

import pytest
from tests.helpers.clients import active_client

import mpi_tasks
from slurm import Cluster
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

TIMEOUT = 240.0
EXPECTED = [f"{rank} 4 n{rank // 2 + 2} {1 + 2 + 3 + 4}" for rank in range(4)]


@pytest.fixture
def cluster(site: DockerCluster) -> Iterator[Cluster]:
    """The cluster, active."""
    with active_client(site) as connected:
        yield connected


@pytest.fixture
def starter(site: DockerCluster) -> list[str]:
    """What starts such programs on this release of Slurm."""
    assert site.features.mpi is not None
    return ["srun", "--mpi=pmix"] if site.features.mpi == "srun" else ["mpirun"]


@pytest.mark.usefixtures("cluster")
def test_a_task_on_two_nodes_runs_a_program_of_mpi(starter: Sequence[str]) -> None:
    found = mpi_tasks.add_up(starter).get_result(TIMEOUT)
    assert found["status"] == 0, found["errors"]
    assert sorted(found["said"]) == EXPECTED


def test_sbatch_alone_runs_a_program_of_mpi(
    site: DockerCluster, cluster: Cluster, starter: Sequence[str]
) -> None:
    """Without being told by which means, where Slurm has a way: that is the cluster's default."""
    folder = cluster.backend.make_directory("/shared/work/mpi")
    program = shlex.join([starter[0], "python3", "-c", mpi_tasks.PROGRAM])
    argv = [
        "sbatch",
        "--wait",
        "--partition=others",
        "--nodes=2",
        "--ntasks-per-node=2",
        "--mem=500M",
    ]
    output = f"{folder}/%j.out"
    done = site.over_ssh.run(
        [*argv, "--time=5", f"--output={output}", "--parsable", "--wrap", program], timeout=TIMEOUT
    )
    said = site.over_ssh.read_file(output.replace("%j", done.stdout.strip())).decode()
    assert sorted(said.splitlines()) == EXPECTED
