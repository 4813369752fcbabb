"""The release of Slurm that the tests run on is what is said of it, and runs jobs of every kind: for each a smoke test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.clients import active_client

import cluster_tasks
from rest_client import RestClient
from slurm import Cluster
from slurm.errors import JobCancelled
from slurm.testing import DockerCluster
from slurm.testing.plugin import SHARED
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


@pytest.fixture(scope="module")
def small_site(pytestconfig: pytest.Config) -> DockerCluster:
    """What the default cluster is not: without accounting, and with slurmrestd."""
    options = {"accounting": False, "rest": True}
    return replace(pytestconfig.stash[SHARED], purpose="small", options=options).bring_up()


@pytest.fixture
def active(small_site: DockerCluster) -> Iterator[Cluster]:
    with active_client(small_site) as connected:
        yield connected


@pytest.mark.usefixtures("active")
def test_jobs_run_without_accounting(small_site: DockerCluster) -> None:
    said = small_site.exec("login", ["sacct"], check=False)
    assert "accounting storage is disabled" in said.stderr + said.stdout
    first = cluster_tasks.add(1, 2)
    items = cluster_tasks.add.map([(first, 10), (first, 20)])
    failing = cluster_tasks.fail("no such luck")
    assert items.get_results(TIMEOUT) == [13, 23]
    with pytest.raises(ValueError, match="no such luck"):
        failing.get_result(TIMEOUT)


def test_slurmrestd_has_the_versions_that_it_is_said_to_have(
    small_site: DockerCluster, release: Release
) -> None:
    assert small_site.rest.data_parsers == release.data_parsers
    client = RestClient(small_site.rest, release.data_parsers[-1], small_site.rest.token())
    assert client.versions() == set(release.data_parsers)


def test_slurmrestd_runs_jobs_for_those_who_have_a_token(
    small_site: DockerCluster, release: Release
) -> None:
    rest, version = small_site.rest, release.data_parsers[-1]
    client = RestClient(rest, version, rest.token())
    job = client.submit("#!/bin/sh\nsleep 600\n")
    assert RestClient(rest, version, "no.such.token").slurm("GET", "jobs").is_refusal
    # That nobody cancels another's job is in test_rest.py: without slurmdbd, the controllers of 24.11 and 26.05 answer nobody
    # any more once slurmrestd has asked that of them.
    client.slurm("DELETE", f"job/{job}")
    wait_until(lambda: client.has_ended(job), "the job has ended")
