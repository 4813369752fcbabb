"""Fixtures of the tier that needs the dockerised cluster; the cluster itself is slurm.testing's."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm import Cluster
from slurm.testing import DockerCluster


@pytest.fixture(scope="module")
def code_on_cluster(slurm_cluster: DockerCluster) -> Iterator[str]:
    """A directory on the cluster that holds the tests' tasks."""
    directory = f"/shared/work/code-{secrets.token_hex(4)}"
    cluster = Cluster.from_env(slurm_cluster.slurmfile)
    source = Path(__file__).with_name("cluster_tasks.py").read_bytes()
    cluster.backend.write_file(f"{directory}/cluster_tasks.py", source)
    yield directory
    cluster.backend.remove(directory)
    cluster.close()


@pytest.fixture
def ssh(slurm_cluster: DockerCluster, code_on_cluster: str) -> Iterator[Cluster]:
    """The cluster through ssh, active, with the tests' tasks importable on its nodes."""
    packaging = {"type": "none", "pythonpath": [code_on_cluster]}
    cluster = Cluster.from_env(slurm_cluster.slurmfile, overrides={"packaging": packaging})
    with cluster:
        yield cluster
    cluster.close()


@pytest.fixture
def workdir(ssh: Cluster) -> str:
    """A fresh directory on the shared volume."""
    return ssh.backend.make_directory(f"/shared/work/{secrets.token_hex(6)}")
