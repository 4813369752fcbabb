"""A thousand nodes on one machine: Slurm counts them, and runs a job on each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.conformance.waiting import wait_until

from slurm.testing import DockerCluster
from slurm.testing.plugin import SHARED

pytestmark = pytest.mark.matrix

NODES = 1000
# Each starts a process of Slurm's and a shell, all at once and on as many processors as there are.
PATIENCE = 1200.0
HOME = "/shared/home/dev"
SCRIPT = f"#!/bin/sh\necho $SLURMD_NODENAME > {HOME}/of-$SLURM_ARRAY_TASK_ID\n"


@pytest.fixture(scope="module")
def docker(pytestconfig: pytest.Config) -> Iterator[DockerCluster]:
    """Gone before the other tests: it takes memory."""
    options = {"accounting": False, "emulated_nodes": NODES}
    shared = replace(pytestconfig.stash[SHARED], purpose="emulated", options=options)
    cluster = shared.bring_up()
    yield cluster
    if not shared.is_kept:
        cluster.compose.remove()


def states(docker: DockerCluster, *what: str) -> str:
    asked = docker.exec("login", ["squeue", "-h", "-r", *what, "-o", "%T"], check=False)
    return asked.stdout if asked.returncode == 0 else "no answer"


def count(docker: DockerCluster, partition: str) -> int:
    asked = ["sinfo", "-h", "-p", partition, "-t", "idle,alloc,mix,comp", "-o", "%D"]
    return sum(map(int, docker.exec("login", asked).stdout.split()))


@pytest.mark.timeout(3000)
def test_an_array_runs_on_a_thousand_nodes(docker: DockerCluster) -> None:
    assert count(docker, "emulated") == NODES
    assert count(docker, "cpu") == len(docker.nodes)
    docker.over_exec.write_file(f"{HOME}/each.sh", SCRIPT)
    words = ["--partition=emulated", f"--array=1-{NODES}", "--exclusive", "--output=/dev/null"]
    docker.exec("login", ["sbatch", *words, f"{HOME}/each.sh"], user="dev")
    wait_until(lambda: not states(docker), "the array has ended", PATIENCE, every=2.0)
    assert set(states(docker, "-t", "all").split()) == {"COMPLETED"}
    asked = ["sh", "-c", f"cat {HOME}/of-*"]
    ran_on = docker.exec("login", asked).stdout.split()
    assert len(ran_on) == NODES
    assert set(ran_on) <= set(docker.shape.emulated_hosts)


def test_nodes_whose_machine_was_killed_are_healed(docker: DockerCluster) -> None:
    docker.kill("emulator")
    docker.heal()
    assert count(docker, "emulated") == NODES
