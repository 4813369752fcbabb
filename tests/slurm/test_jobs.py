"""Jobs on a real Slurm, submitted through ssh."""

from __future__ import annotations

import secrets
import sys
import time
from typing import Any

import pytest

import cluster_tasks
from accounting import settled
from slurm import Cluster, task
from slurm.archive import archive_for
from slurm.errors import (
    ConfigError,
    DependencyFailed,
    HostKeyError,
    JobCancelled,
    JobFailed,
    JobTimeout,
    RemoteTraceback,
    SerializationError,
    SubmissionRefused,
)
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

TIMEOUT = 60.0


def wait_for_file(cluster: Cluster, path: str) -> str:
    deadline = time.monotonic() + TIMEOUT
    while not cluster.backend.file_exists(path):
        assert time.monotonic() < deadline, f"{path} is not there"
        time.sleep(0.1)
    return cluster.backend.read_file(path).decode()


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


def test_a_gpu_job_sees_the_gpu_it_asked_for(ssh: Cluster) -> None:
    job = cluster_tasks.where.with_options(partition="gpu", gres="gpu:1")()
    seen = job.get_result(TIMEOUT)
    assert seen["partition"] == "gpu"
    assert seen["gpus"] in ("0", "1")


def test_a_job_passed_as_an_argument_arrives_as_its_result(ssh: Cluster) -> None:
    first: Any = cluster_tasks.add(1, 2)
    third: Any = cluster_tasks.add(first, 3)
    second = cluster_tasks.total([first, 10, third])
    assert second.get_result(TIMEOUT) == 19
    assert first in second.dependencies


def test_an_exception_arrives_as_itself_with_the_remote_traceback(
    ssh: Cluster, slurm_cluster: DockerCluster
) -> None:
    job = cluster_tasks.fail("no luck", code=7)
    with pytest.raises(cluster_tasks.Unlucky, match="no luck") as raised:
        job.get_result(TIMEOUT)
    assert raised.value.code == 7
    assert isinstance(raised.value.__cause__, RemoteTraceback)
    assert "raise Unlucky(message, code)" in str(raised.value.__cause__)
    assert "about to fail" in job.get_stderr()
    settled(slurm_cluster, [job.id], "FAILED")


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
    for node in ("c1", "c2"):
        found = slurm_cluster.exec(node, ["ps", "-p", child, "-o", "user="], check=False)
        assert "dev" not in found.stdout


def test_a_job_over_its_time_limit_says_what_to_change(
    ssh: Cluster, slurm_cluster: DockerCluster, workdir: str
) -> None:
    job = cluster_tasks.sleep_in_a_child.with_options(time="00:01:00")(600, f"{workdir}/mark")
    with pytest.raises(JobTimeout, match="time=") as raised:
        job.get_result(240)
    assert raised.value.state == "TIMEOUT"
    settled(slurm_cluster, [job.id], "TIMEOUT")


def test_a_process_that_ends_at_once_says_with_which_exit_code(ssh: Cluster) -> None:
    with pytest.raises(JobFailed, match=r"exit code 3:0") as raised:
        cluster_tasks.leave_at_once(3).get_result(TIMEOUT)
    assert raised.value.exit_code == "3:0"


def test_a_job_whose_dependency_failed_never_starts_and_says_which(
    ssh: Cluster, slurm_cluster: DockerCluster
) -> None:
    root: Any = cluster_tasks.fail("first", code=1)
    middle: Any = cluster_tasks.add(root, 1)
    last = cluster_tasks.add(middle, 1)
    with pytest.raises(DependencyFailed, match=f"job {root.id} "):
        last.get_result(TIMEOUT)
    settled(slurm_cluster, [middle.id, last.id], "CANCELLED")


def test_a_workflow_submits_its_own_jobs_under_its_directory(ssh: Cluster) -> None:
    found = cluster_tasks.sum_of_sums([(1, 2), (3, 4)]).get_result(120)
    assert found["total"] == found["latest"] == 10
    assert found["runs"] == 2
    tasks = ssh.backend.list_directory(f"{found['job_dir']}/tasks")
    assert tasks == ["add", "total"]
    assert ssh.backend.file_exists(f"{found['job_dir']}/.slurm_environment.json")


def test_the_same_key_is_the_same_job_for_a_new_client(
    ssh: Cluster, slurm_cluster: DockerCluster
) -> None:
    key = secrets.token_hex(8)
    first = cluster_tasks.add.submit(ssh, key=key)(20, 22)
    other = Cluster.from_env(slurm_cluster.slurmfile)
    again = cluster_tasks.add.submit(other, key=key)(0, 0)
    assert again.reattached
    assert (again.id, again.job_dir) == (first.id, first.job_dir)
    assert again.get_result(TIMEOUT) == 42
    other.close()


def test_slurms_own_refusal_is_told_and_leaves_nothing_behind(ssh: Cluster) -> None:
    with pytest.raises(SubmissionRefused, match="partition"):
        cluster_tasks.add.with_options(partition="nowhere", job_name="refused")(1, 2)
    assert not [job for job in ssh.get_queue() if "nowhere" in str(job)]


def test_a_closure_needs_the_same_python_there(ssh: Cluster) -> None:
    captured = 40

    @task(time="00:02:00", mem="100M")
    def closure(number: int) -> int:
        return captured + number

    if ssh.backend.host().python[:2] == sys.version_info[:2]:
        assert closure(2).get_result(TIMEOUT) == 42
    else:
        with pytest.raises(SerializationError, match="same Python"):
            closure(2)


def test_directories_of_jobs_are_private(ssh: Cluster, slurm_cluster: DockerCluster) -> None:
    job = cluster_tasks.add(1, 1)
    job.get_result(TIMEOUT)
    modes = slurm_cluster.exec("login", ["stat", "-c", "%a %U", job.job_dir]).stdout
    assert modes.strip() == "700 dev"


def test_a_host_whose_key_is_not_known_is_refused(
    slurm_cluster: DockerCluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    empty = tmp_path_factory.mktemp("ssh") / "known_hosts"
    empty.touch()
    cluster = Cluster.from_env(slurm_cluster.slurmfile, overrides={"known_hosts_file": str(empty)})
    with pytest.raises(HostKeyError, match="known_hosts"):
        cluster.backend.host()
    cluster.close()


def test_an_option_with_a_line_break_never_reaches_slurm(ssh: Cluster) -> None:
    with pytest.raises(ConfigError, match="line break"):
        cluster_tasks.add.with_options(partition="cpu\n#SBATCH --nodes=2")(1, 2)


def test_on_the_login_node_the_same_script_needs_no_ssh(
    ssh: Cluster, slurm_cluster: DockerCluster, workdir: str
) -> None:
    cluster_tasks.add(1, 1).get_result(TIMEOUT)  # the SDK's archive is there from now on
    script = f"""
from slurm import Cluster, task
from slurm.archive import archive_for

@task(time="00:02:00", mem="100M")
def triple(number):
    return 3 * number

if __name__ == "__main__":
    with Cluster("slurm", job_base_dir={workdir + "/my jobs"!r}) as cluster:
        print("answer", triple(triple(2)).get_result(60))
"""
    ssh.backend.write_file(f"{workdir}/script.py", script.encode())
    sdk = archive_for(ssh.job_base_dir).directory
    argv = ["env", f"PYTHONPATH={sdk}", "python3", f"{workdir}/script.py"]
    done = slurm_cluster.exec("login", argv, user="dev", timeout=120)
    assert done.stdout.strip() == "answer 18"
