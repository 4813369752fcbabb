"""Cleaning up through ssh, beside a real queue: what waits in it keeps what it needs, whatever is noted of it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.waiting import wait_until

import cluster_tasks
import slurm
from slurm import Cluster
from slurm.api.base import Cleaned
from slurm.job_dir.paths import receipt_of_job
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

TIMEOUT = 240.0
SDK = Path(slurm.__file__).parents[1]
ROUNDS = 8


@pytest.fixture
def base(workdir: str) -> str:
    return f"{workdir}/jobs"


@pytest.fixture
def mine(slurm_cluster: DockerCluster, base: str) -> Iterator[Cluster]:
    """A client whose jobs are below a directory of this test's own, active."""
    overrides = {"job_base_dir": base}
    client = Cluster.from_env(slurm_cluster.slurmfile, overrides=overrides)
    with closing(client), client:
        yield client


def run(cluster: Cluster, *argv: str) -> None:
    status, said = cluster.backend.run_program(argv, timeout=60)
    assert status == 0, said


def make_old(cluster: Cluster, *paths: object) -> None:
    run(cluster, *ageing(*paths))


def ageing(*paths: object) -> list[str]:
    """A command that has nothing have been done to what this user has there for two days."""
    touch = ["touch", "-c", "-d", "2 days ago", "{}", "+"]
    return ["find", *map(str, paths), "-not", "-user", "root", "-exec", *touch]


def wait_until_out_of_the_queue(cluster: Cluster, *jobs: Any) -> None:
    ids = {str(job.id) for job in jobs}
    wait_until(
        lambda: not ids & {row["job_id"].partition("_")[0] for row in cluster.get_queue()},
        "jobs that have ended leave the queue",
        TIMEOUT,
    )


def test_what_waits_in_the_queue_keeps_what_it_needs(
    mine: Cluster, base: str, slurm_cluster: DockerCluster
) -> None:
    array = cluster_tasks.add.map([(1, 2), (3, 4)])
    foreign = cluster_tasks.add(5, 6)
    assert (array.get_results(TIMEOUT), foreign.get_result(TIMEOUT)) == ([3, 7], 11)
    held = cluster_tasks.add.with_options(hold=True)
    waiting, unnoted = held(array[1], 1), held(7, 8)
    # Whoever submitted this one was killed before its id was noted: the queue alone knows of it.
    run(mine, "rm", receipt_of_job(base, unnoted.id))
    noted = unnoted.directory.metadata
    content = {**json.loads(mine.backend.read_file(noted)), "job_id": None}
    mine.backend.write_file(noted, json.dumps(content).encode())
    slurm_cluster.exec("login", ["touch", "-d", "2 days ago", f"{foreign.job_dir}/of_root"])
    wait_until_out_of_the_queue(mine, array, foreign)
    make_old(mine, base)
    done = mine.clean_up("1d", dry_run=False)
    assert done.jobs == Cleaned(live=2, needed=1, foreign=1)
    run(mine, "scontrol", "release", waiting.id, unnoted.id)
    assert (waiting.get_result(TIMEOUT), unnoted.get_result(TIMEOUT)) == (8, 15)
    wait_until_out_of_the_queue(mine, waiting, unnoted)
    make_old(mine, base)
    run(mine, "chmod", "-R", "a-w", str(waiting.job_dir))
    said = json.loads(command(slurm_cluster, base, "--older-than", "1d", "--yes", "--json"))
    assert (said["jobs"]["removed"], said["jobs"]["foreign"], said["problem"]) == (3, 1, "")
    assert mine.backend.list_directory(f"{base}/add") == [os.path.basename(str(foreign.job_dir))]


def command(docker: DockerCluster, base: str, *options: str) -> str:
    """What ``slurm clean`` prints about jobs below the base."""
    where = ["--slurmfile", str(docker.slurmfile), "--job-base-dir", base]
    done = subprocess.run(
        [sys.executable, "-m", "slurm.cli", "clean", *options, *where],
        env={**os.environ, "PYTHONPATH": str(SDK)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    return done.stdout


def test_no_key_leads_to_a_job_whose_files_are_gone_while_somebody_cleans_up_all_the_time(
    mine: Cluster, slurm_cluster: DockerCluster, base: str
) -> None:
    enough, removed = threading.Event(), []

    def clean_up() -> None:
        overrides = {"job_base_dir": base}
        with closing(Cluster.from_env(slurm_cluster.slurmfile, overrides=overrides)) as other:
            while not enough.is_set():
                removed.append(other.clean_up("1d", dry_run=False).jobs.removed)

    key = secrets.token_hex(8)
    cleaner = threading.Thread(target=clean_up)
    cleaner.start()
    try:
        for number in range(ROUNDS):
            job = cluster_tasks.add.submit(key=key)(number, 1)
            assert job.get_result(TIMEOUT) in range(1, number + 2)
            wait_until_out_of_the_queue(mine, job)
            mine.backend.run_program(ageing(job.job_dir), timeout=60)  # it may go meanwhile
    finally:
        enough.set()
        cleaner.join()
    assert sum(removed) > 0
