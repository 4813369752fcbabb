"""Clients of a dockerised cluster, as a user's program has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from slurm import Cluster
from slurm.testing import DockerCluster


@contextmanager
def active_client(docker: DockerCluster) -> Iterator[Cluster]:
    """One through ssh, active: tasks that are called are submitted to it."""
    connected = Cluster.from_env(docker.slurmfile)
    try:
        with connected:
            yield connected
    finally:
        connected.close()
