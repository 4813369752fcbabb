"""Waiting for what jobs do on the cluster."""

from __future__ import annotations

from tests.conformance.waiting import wait_until

from slurm import Cluster


def wait_for_file(cluster: Cluster, path: str) -> str:
    wait_until(lambda: cluster.backend.file_exists(path), f"{path} is there", every=0.1)
    return cluster.backend.read_file(path).decode()
