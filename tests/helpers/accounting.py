"""What Slurm's accounting says, asked on the login node and not through the SDK."""

from __future__ import annotations

import time
from collections.abc import Iterable

from slurm.testing import DockerCluster

DEADLINE = 240.0


def rows(cluster: DockerCluster, job_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """job id -> (state, partition)."""
    argv = ["sacct", "-n", "-P", "-X", "-j", ",".join(job_ids), "-o", "JobIDRaw,State,Partition"]
    lines = cluster.exec("login", argv, user="dev").stdout.splitlines()
    fields = (line.split("|") for line in lines)
    return {job_id: (state.split()[0], partition) for job_id, state, partition in fields}


def settled(
    cluster: DockerCluster, job_ids: Iterable[str], state: str
) -> dict[str, tuple[str, str]]:
    """The rows once all jobs are in `state`: a result is known before Slurm has cleaned up its job."""
    wanted = list(job_ids)
    deadline = time.monotonic() + DEADLINE
    while True:
        found = rows(cluster, wanted)
        # Slurm 22.05 writes the state before the partition when a job is over at once.
        if set(found) == set(wanted) and all(s == state and p for s, p in found.values()):
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not all of {wanted} are {state}: {found}")
        time.sleep(0.3)
