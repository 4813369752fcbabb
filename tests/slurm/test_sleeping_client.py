"""A laptop that sleeps for longer than the cluster waits for it. Its processes are stopped for as long, and really."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.waiting import wait_until

from slurm import Cluster
from slurm.testing import DockerCluster

pytestmark = [pytest.mark.slurm, pytest.mark.matrix]

HERE = Path(__file__).parent
# The login node gives a silent client up after 45 s, see docker/etc/sshd_config.
LONGEST_SLEEP = 400.0


class Laptop:
    """A client in a process of its own; it and its ssh can be put to sleep."""

    def __init__(self, docker: DockerCluster, folder: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "sleeping_client.py"), str(docker.slurmfile), folder],
            stdout=subprocess.PIPE,
            text=True,
        )

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it ended with status {self.process.wait()}"
        said: dict[str, Any] = json.loads(line)
        return said

    def send(self, number: signal.Signals) -> None:
        for process in (self.process.pid, *children_of(self.process.pid)):
            os.kill(process, number)

    def end(self) -> None:
        if self.process.poll() is None:
            self.send(signal.SIGKILL)
        self.process.communicate()


def children_of(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


@pytest.fixture
def laptop(slurm_cluster: DockerCluster, workdir: str) -> Iterator[Laptop]:
    made = Laptop(slurm_cluster, workdir)
    yield made
    made.end()


def wait_until_given_up(docker: DockerCluster, agent: int) -> None:
    process = ["test", "-e", f"/proc/{agent}"]
    wait_until(
        lambda: docker.exec("login", process, check=False).returncode != 0,
        "the login node gives the client up",
        LONGEST_SLEEP,
        every=1.0,
    )


def test_a_laptop_that_wakes_up_finds_its_jobs(
    cluster: Cluster, slurm_cluster: DockerCluster, laptop: Laptop, workdir: str
) -> None:
    said = laptop.hear()
    laptop.send(signal.SIGSTOP)
    slurm_cluster.exec("c2", ["touch", f"{workdir}/evening"], user="dev")
    wait_until_given_up(slurm_cluster, said["agent"])
    laptop.send(signal.SIGCONT)
    assert laptop.hear() == {"ended": [1, 2, "ValueError('3 is odd')", 2], "waits": True}
    slurm_cluster.exec("c2", ["touch", f"{workdir}/morning"], user="dev")
    assert laptop.hear() == {"new": 10, "late": 4}
    assert laptop.process.wait(240) == 0
    tokens = set(said["tokens"])
    known = "accounts know the comments of all, which they do once a job has ended"
    wait_until(lambda: tokens <= jobs_by_token(slurm_cluster).keys(), known, every=0.3)
    found = jobs_by_token(slurm_cluster)
    assert [len(found[token]) for token in tokens] == [1, 1, 1, 1]


def jobs_by_token(docker: DockerCluster) -> Mapping[str, set[str]]:
    accounts = ["sacct", "-n", "-P", "-X", "-S", "now-1days", "-o", "JobID,Comment"]
    found = defaultdict(set)
    for row in docker.exec("login", accounts, user="dev").stdout.split("\n"):
        job_id, _, comment = row.partition("|")
        found[comment.split(" ")[0]].add(job_id.partition("_")[0])
    return found
