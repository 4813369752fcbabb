"""The release of Slurm that the tests run on is what is said of it, and runs jobs of every kind: for each a smoke test."""

from __future__ import annotations

import subprocess

import pytest

import cluster_tasks
from slurm import Cluster
from slurm.errors import JobCancelled
from slurm.testing import DockerCluster
from slurm.testing.releases import RELEASES, Release

TIMEOUT = 120.0
LARGEST_IMAGE = 250_000_000  # without options, in bytes


@pytest.fixture
def release(slurm_cluster: DockerCluster) -> Release:
    return RELEASES[slurm_cluster.compose.release]


def test_slurm_and_python_are_what_the_release_is_said_to_have(
    slurm_cluster: DockerCluster, release: Release
) -> None:
    assert f" {release.slurm}." in slurm_cluster.exec("login", ["sinfo", "--version"]).stdout
    program = "import sys; print(*sys.version_info[:2])"
    for service in ("login", "c1"):
        said = slurm_cluster.exec(service, ["python3", "-c", program]).stdout
        assert tuple(map(int, said.split())) == release.python
    in_json = slurm_cluster.exec("login", ["squeue", "--json"], check=False)
    assert (in_json.returncode == 0) is release.json


def test_the_image_is_a_small_one(slurm_cluster: DockerCluster) -> None:
    name = slurm_cluster.compose.image.name
    argv = ["docker", "image", "inspect", "--format", "{{.Size}}", name]
    size = int(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    assert size <= LARGEST_IMAGE


def test_jobs_of_every_kind_run(ssh: Cluster, workdir: str) -> None:
    held = cluster_tasks.wait_for(f"{workdir}/never")
    first = cluster_tasks.add(1, 2)
    items = cluster_tasks.add.map([(first, 10), (first, 20)])
    failing = cluster_tasks.fail("no such luck")
    on_a_gpu = cluster_tasks.where.with_options(partition="gpu", gres="gpu:1")()
    held.cancel()
    assert first.get_result(TIMEOUT) == 3
    assert items.get_results(TIMEOUT) == [13, 23]
    with pytest.raises(ValueError, match="no such luck"):
        failing.get_result(TIMEOUT)
    assert on_a_gpu.get_result(TIMEOUT)["gpus"] in ("0", "1")
    with pytest.raises(JobCancelled):
        held.get_result(TIMEOUT)
