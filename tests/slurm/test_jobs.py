"""What only a real Slurm behind ssh can show; what all backends have in common is in tests/conformance."""

from __future__ import annotations

from typing import Any

import pytest
from tests.helpers.accounting import settled
from tests.helpers.cluster_files import wait_for_file

import cluster_tasks
from slurm import Cluster
from slurm.errors import DependencyFailed, HostKeyError, JobCancelled, SubmissionRefused
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

TIMEOUT = 240.0


def test_a_task_runs_on_a_node_with_the_clusters_own_python(ssh: Cluster) -> None:
    seen = cluster_tasks.where().get_result(TIMEOUT)
    there = ssh.backend.host().python
    assert seen["python"] == f"{there[0]}.{there[1]}"
    assert seen["partition"] == "cpu"
    assert str(seen["job_dir"]).startswith("/shared/home/dev/slurm_jobs/where/")


def test_a_module_that_is_not_on_the_cluster_is_found_where_pythonpath_says(
    slurm_cluster: DockerCluster, workdir: str
) -> None:
    package = f"{workdir}/code/beside"
    overrides = {"packaging": {"type": "none", "pythonpath": [f"{workdir}/code"]}}
    cluster = Cluster.from_env(slurm_cluster.slurmfile, overrides=overrides)
    cluster.backend.write_file(f"{package}.py", b"NUMBER = 5\n")
    with cluster:
        assert cluster_tasks.number_of("beside").get_result(TIMEOUT) == 5
    cluster.close()


def test_a_job_may_leave_the_submitters_environment_behind(ssh: Cluster) -> None:
    """Slurm then reads the user's login environment on the node."""
    job = cluster_tasks.where.with_options(export="NONE")()
    assert job.get_result(TIMEOUT)["user"] == "dev"


def test_a_gpu_job_sees_the_gpu_it_asked_for(ssh: Cluster) -> None:
    job = cluster_tasks.where.with_options(partition="gpu", gres="gpu:1")()
    seen = job.get_result(TIMEOUT)
    assert seen["partition"] == "gpu"
    assert seen["gpus"] in ("0", "1")


def test_a_cancelled_job_ends_with_everything_it_started(
    ssh: Cluster, slurm_cluster: DockerCluster, workdir: str
) -> None:
    job = cluster_tasks.sleep_in_a_child(300, f"{workdir}/mark")
    child = wait_for_file(ssh, f"{workdir}/mark")
    job.cancel()
    with pytest.raises(JobCancelled) as raised:
        job.get_result(TIMEOUT)
    assert raised.value.state == "CANCELLED"
    settled(slurm_cluster, [job.id], "CANCELLED")
    # Where it ran; on the other node, the number may be another job's.
    alive = ["ps", "-p", child, "-o", "user="]
    assert "dev" not in slurm_cluster.exec(job.status.node, alive, check=False).stdout


def test_a_job_whose_dependency_failed_never_starts_and_says_which(
    ssh: Cluster, slurm_cluster: DockerCluster
) -> None:
    root: Any = cluster_tasks.fail("first")
    middle: Any = cluster_tasks.add(root, 1)
    last = cluster_tasks.add(middle, 1)
    with pytest.raises(DependencyFailed, match=f"job {root.id} "):
        last.get_result(TIMEOUT)
    settled(slurm_cluster, [root.id], "FAILED")
    settled(slurm_cluster, [middle.id, last.id], "CANCELLED")


def test_slurms_own_refusal_is_told_and_leaves_nothing_behind(ssh: Cluster) -> None:
    with pytest.raises(SubmissionRefused, match="partition"):
        cluster_tasks.add.with_options(partition="nowhere", job_name="refused")(1, 2)
    assert not [job for job in ssh.get_queue() if "nowhere" in str(job)]


def test_a_host_whose_key_is_not_known_is_refused(
    slurm_cluster: DockerCluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    empty = tmp_path_factory.mktemp("ssh") / "known_hosts"
    empty.touch()
    cluster = Cluster.from_env(slurm_cluster.slurmfile, overrides={"known_hosts_file": str(empty)})
    with pytest.raises(HostKeyError, match="known_hosts"):
        cluster.backend.host()
    cluster.close()
