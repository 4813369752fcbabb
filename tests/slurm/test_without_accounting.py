"""A site that keeps no record of jobs: what becomes of them is known by what they leave, and by Slurm as long as it remembers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.helpers.clients import active_client

import cluster_tasks
from slurm import Cluster
from slurm.errors import JobCancelled, JobTimeout
from slurm.testing import DockerCluster
from slurm.testing.plugin import SHARED

TIMEOUT = 400.0


@pytest.fixture(scope="module")
def site(pytestconfig: pytest.Config) -> DockerCluster:
    """It forgets ended jobs after seconds, for then nobody knows of them."""
    options = {"accounting": False, "settings": {"MinJobAge": 5}}
    return replace(pytestconfig.stash[SHARED], purpose="no-accounting", options=options).bring_up()


@pytest.fixture
def cluster(site: DockerCluster) -> Iterator[Cluster]:
    """The cluster, active."""
    with active_client(site) as connected:
        yield connected


def test_nobody_keeps_accounts_and_sacct_says_so(site: DockerCluster) -> None:
    assert {"db", "slurmdbd"}.isdisjoint(site.services)
    said = site.exec("login", ["sacct"], check=False)
    assert said.returncode == 1
    assert "Slurm accounting storage is disabled" in said.stderr + said.stdout


@pytest.mark.usefixtures("cluster")
def test_jobs_arrays_and_dependencies_give_their_results() -> None:
    first = cluster_tasks.add(1, 2)
    items = cluster_tasks.add.map([(first, 10), (first, 20)])
    last = cluster_tasks.add(items[0], items[1])
    assert first.get_result(TIMEOUT) == 3
    assert items.get_results(TIMEOUT) == [13, 23]
    assert last.get_result(TIMEOUT) == 36
    assert last.get_status() == "COMPLETED"


@pytest.mark.usefixtures("cluster")
def test_a_failure_is_raised_where_the_result_is_wanted() -> None:
    failing = cluster_tasks.fail("no such luck")
    with pytest.raises(ValueError, match="no such luck"):
        failing.get_result(TIMEOUT)
    assert failing.get_status() == "FAILED"


def test_a_job_that_was_cancelled_says_so(workdir: str) -> None:
    held = cluster_tasks.wait_for(f"{workdir}/never")
    held.cancel()
    with pytest.raises(JobCancelled):
        held.get_result(TIMEOUT)


@pytest.mark.matrix
def test_a_job_over_its_time_limit_says_so(workdir: str) -> None:
    late = cluster_tasks.wait_for.with_options(time="0:01")(f"{workdir}/never")
    with pytest.raises(JobTimeout):
        late.get_result(TIMEOUT)
