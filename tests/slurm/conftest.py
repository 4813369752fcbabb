"""Fixtures of the tier that needs the dockerised cluster; the cluster itself is slurm.testing's."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.conformance.waiting import PATIENCE

import preempted_tasks
from rest_client import RestClient
from slurm import Cluster
from slurm.results import failures
from slurm.testing import DockerCluster
from slurm.testing.plugin import SHARED
from slurm.testing.releases import release_named

# What few tests need, on one cluster for all of them: accounts and QOS that preempt, a second user, MPI, and a site whose
# kernel limits no memory. Whoever waits for a node lets nobody behind him overtake, whatever QOS he has: so tests of
# preemption have a partition to themselves, the default one.
SITE = {
    "nodes": [f"n[1-3] cpus={preempted_tasks.WHOLE_NODE} gpus=a100:1 Features=ib"],
    "partitions": ["one nodes=n1 default=yes", "others nodes=n[2-3]"],
    "users": ["ann"],
    "accounts": ["physics", "students users=dev MaxSubmitJobs=1"],
    "qos": ["low", "gold preempts=low"],
    "mpi": True,
    "settings": {
        # A requeued job may start again after the life of a credential.
        "AuthInfo": "cred_expire=5",
        "TaskPlugin": "task/none",
        "ProctrackType": "proctrack/linuxproc",
        "JobAcctGatherParams": "OverMemoryKill",
    },
}


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """All that is here belongs to this tier: the fast one does not even look."""
    item.add_marker("slurm")


@pytest.fixture(scope="session")
def containers(pytestconfig: pytest.Config) -> DockerCluster:
    """A cluster whose nodes have runtimes of containers, apart from that of the other tests, whose nodes have none."""
    release = release_named(pytestconfig.getoption("--slurm-release"))
    if not release.launches_containers:
        pytest.skip(f"jobs in containers are not known to run on {release.name}")
    options = {"containers": True}
    shared = replace(pytestconfig.stash[SHARED], purpose="containers", options=options)
    return shared.bring_up()


@pytest.fixture(scope="session")
def site(pytestconfig: pytest.Config) -> DockerCluster:
    """The cluster that is like `SITE`, apart from that of the other tests."""
    return replace(pytestconfig.stash[SHARED], purpose="site", options=SITE).bring_up()


@pytest.fixture(scope="session")
def rest_cluster(pytestconfig: pytest.Config) -> DockerCluster:
    """A cluster with slurmrestd and the users dev and ann, apart from that of the other tests."""
    options = {"rest": True, "users": ["ann"]}
    return replace(pytestconfig.stash[SHARED], purpose="rest", options=options).bring_up()


@pytest.fixture
def rest_client(rest_cluster: DockerCluster) -> RestClient:
    """Asks its slurmrestd as dev, in its newest version."""
    service = rest_cluster.rest
    return RestClient(service, service.data_parsers[-1], service.token())


@pytest.fixture
def ssh(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster through ssh, active: tasks that a test calls are submitted to it."""
    with cluster:
        yield cluster


@pytest.fixture
def late_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a job used is waited for until it is on record, which may take a busy cluster longer than users would wait."""
    monkeypatch.setattr(failures, "RECORD_GRACE", PATIENCE)


@pytest.fixture
def workdir(cluster: Cluster) -> str:
    """A fresh directory on the shared volume."""
    return cluster.backend.make_directory(f"/shared/work/{secrets.token_hex(6)}")
