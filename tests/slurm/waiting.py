"""Waiting for what jobs do on the cluster."""

from __future__ import annotations

import time

from slurm import Cluster

TIMEOUT = 60.0


def wait_for_file(cluster: Cluster, path: str) -> str:
    deadline = time.monotonic() + TIMEOUT
    while not cluster.backend.file_exists(path):
        assert time.monotonic() < deadline, f"{path} is not there"
        time.sleep(0.1)
    return cluster.backend.read_file(path).decode()
