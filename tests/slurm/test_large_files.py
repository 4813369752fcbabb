"""Large arguments and results through a real ssh: in bounded memory, past a cut, and checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import large_tasks
from slurm import Cluster
from slurm.errors import ResultCorrupted
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

TIMEOUT = 300.0
MEGABYTES = 240
BOUND = 64 * large_tasks.MB  # above the value itself

# A client with too little memory for a result that it is told of all the same.
POOR = """
import resource, sys
from large_tasks import MB
from slurm import Cluster, errors
cluster = Cluster.from_env(sys.argv[1])
job = cluster.get_job(sys.argv[2])
job.wait()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[3]) * MB,) * 2)
try:
    job.get_result()
except errors.ResultTooLarge as error:
    print(error)
print(cluster.backend.file_exists(job.job_dir))
cluster.close()
"""


def client(*argv: str) -> str:
    """What a Python process of its own prints."""
    here = str(Path(__file__).parent)
    path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, *argv],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def seen(slurm_cluster: DockerCluster) -> dict[str, Any]:
    """What a client saw whose connection was cut in the middle of an argument, and of a result."""
    program = str(Path(__file__).with_name("large_client.py"))
    found: dict[str, Any] = json.loads(
        client(program, str(slurm_cluster.slurmfile), str(MEGABYTES))
    )
    return found


def test_they_arrive_as_they_were_through_a_connection_that_is_cut(seen: dict[str, Any]) -> None:
    assert seen["arrived"] == {"sent": True, "fetched": True}
    for direction in ("upload", "download"):
        transfer = seen["transfers"][direction]
        assert len(transfer["cuts"]) == 1, direction
        assert transfer["done"] == transfer["total"] > MEGABYTES * large_tasks.MB


def test_other_requests_are_answered_meanwhile(seen: dict[str, Any]) -> None:
    for transfer in seen["transfers"].values():
        assert transfer["answered_at"] < transfer["ended_at"]


@pytest.mark.parametrize("who", ["sending", "fetching", "receiving", "making"])
def test_nobody_needs_much_more_memory_than_the_value(who: str, seen: dict[str, Any]) -> None:
    assert seen["above"][who] < BOUND


def test_a_result_for_which_there_is_no_memory_here_says_so(
    ssh: Cluster, slurm_cluster: DockerCluster
) -> None:
    """Also one that would fit into memory a piece at a time; and the connection goes on."""
    job = large_tasks.made(96, 3)
    job.wait(TIMEOUT)
    for room in (
        "40",
        "90",
    ):  # megabytes; the buffers on the way there have room, the value has not
        said = client("-c", POOR, str(slurm_cluster.slurmfile), job.id, room)
        assert "96M pickled, more than this process has memory for" in said
        assert said.endswith("True\n")
    assert len(job.get_result(TIMEOUT)) == 96 * large_tasks.MB


def test_one_byte_that_changed_on_the_disk_is_noticed(ssh: Cluster, workdir: str) -> None:
    job = large_tasks.made(16, 4)
    job.wait(TIMEOUT)
    alter = "import sys; f = open(sys.argv[1], 'r+b'); f.seek(8 << 20); f.write(b'?')"
    python = ssh.backend.host().executable
    code, output = ssh.backend.run_program(
        [python, "-c", alter, job.directory.result], timeout=TIMEOUT
    )
    assert code == 0, output
    with pytest.raises(ResultCorrupted, match="checksum"):
        job.get_result(TIMEOUT)
