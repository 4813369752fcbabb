"""A cluster with accounts, limits and QOS, which Slurm enforces: what is not allowed is refused, and jobs are preempted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.helpers.clients import active_client
from tests.helpers.cluster_files import wait_for_file

import preempted_tasks
from slurm import Cluster
from slurm.errors import SubmissionRefused
from slurm.testing import ClusterError, DockerCluster

pytestmark = pytest.mark.slurm

TIMEOUT = 400.0


@pytest.fixture
def cluster(site: DockerCluster) -> Iterator[Cluster]:
    """The cluster, active."""
    with active_client(site) as connected:
        yield connected


def test_a_pipeline_survives_preemption(
    cluster: Cluster, site: DockerCluster, workdir: str
) -> None:
    train = preempted_tasks.train.with_options(qos="low")(
        preempted_tasks.prepare(7), f"{workdir}/mark"
    )
    result = preempted_tasks.evaluate(train)
    wait_for_file(cluster, f"{workdir}/mark")
    urgent = preempted_tasks.urgent.with_options(qos="gold")()
    assert urgent.get_result(TIMEOUT) == "done"
    assert result.get_result(TIMEOUT) == {"value": 7, "attempt": 2}
    told = ["sacct", "-D", "-X", "-n", "-P", "-j", train.id, "-o", "State,QOS"]
    attempts = site.over_ssh.run(told).stdout.split()
    assert attempts == ["PREEMPTED|low", "COMPLETED|low"]


@pytest.mark.parametrize("option", [{"account": "nosuch"}, {"qos": "silver"}, {"account": "root"}])
def test_what_was_not_declared_is_refused(option: dict[str, str], cluster: Cluster) -> None:
    with pytest.raises(SubmissionRefused, match=r"Invalid (account|qos)"):
        preempted_tasks.prepare.with_options(**option)(1)


def test_a_limit_on_submitted_jobs_holds(cluster: Cluster) -> None:
    student = preempted_tasks.prepare.with_options(account="students", hold=True)
    first = student(1)
    with pytest.raises(
        SubmissionRefused, match=r"AssocMaxSubmitJobLimit|violates accounting/QOS policy"
    ):
        student(2)
    first.cancel()


def test_another_user_has_jobs_and_files_of_her_own(site: DockerCluster) -> None:
    hers = Cluster.from_env(site.of_user("ann").slurmfile)
    with hers:
        job = preempted_tasks.prepare(3)
        assert job.get_result(TIMEOUT) == 3
    hers.close()
    told = ["sacct", "-X", "-n", "-P", "-j", job.id, "-o", "User,Account"]
    assert site.over_ssh.run(told, user="ann").stdout.split() == ["ann|physics"]
    site.over_ssh.write_file("~secret".replace("~", "/shared/home/ann/"), "hers", user="ann")
    with pytest.raises(ClusterError, match="Permission denied"):
        site.over_exec.read_file("/shared/home/ann/secret")
    assert site.over_ssh.read_file("/shared/home/ann/secret", user="ann") == b"hers"


def test_the_nodes_are_what_was_said_of_them(site: DockerCluster) -> None:
    asked = ["sinfo", "-h", "-N", "-o", "%N %P %c %m %G %f"]
    assert sorted(site.over_exec.run(asked).stdout.splitlines()) == [
        "n1 one* 2 16000 gpu:a100:1 ib",
        "n2 others 2 16000 gpu:a100:1 ib",
        "n3 others 2 16000 gpu:a100:1 ib",
    ]
