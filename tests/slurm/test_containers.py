"""Jobs in containers on real nodes, with the runtimes that Debian has, in an image that is pulled from nowhere.

The image is made of the login node's own file system, with a mark in it. The cluster is one with runtimes, apart from
that of the other tests, whose nodes have none.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.clients import active_client
from tests.helpers.cluster_files import wait_for_file

import container_tasks
from slurm import Cluster, task, workflow
from slurm.errors import JobCancelled, PackagingError
from slurm.testing import DockerCluster

pytestmark = [pytest.mark.slurm, pytest.mark.matrix]

TIMEOUT = 240.0
IMAGES = "/shared/work/images"
IMAGE = f"{IMAGES}/root"
MAKE = f"""
set -e
mkdir -p {IMAGE} && cd {IMAGE}
tar -c -C / --exclude=etc/munge --exclude=etc/ssh/keys --exclude=etc/shadow* --exclude=etc/gshadow* \\
    --exclude=etc/.pwd.lock --exclude=etc/slurm-db --exclude=usr/sbin/mariadbd --exclude=usr/bin/podman \\
    --exclude=usr/share/mysql usr etc bin sbin lib lib64 | tar -x
mkdir -p proc sys dev tmp run shared var/tmp
printf image > etc/in-the-image
tar -c -f {IMAGES}/root.tar .
"""
RUNTIMES = ["slurm-oci", "charliecloud", "podman"]
# For Slurm's commands in the container: they ask munge, and Charliecloud's own list of users has no SlurmUser.
OF_SLURM = ["/run/munge", "/etc/passwd"]


@pytest.fixture(scope="module")
def site(containers: DockerCluster) -> DockerCluster:
    """The cluster with runtimes, and the image on its shared volume."""
    site = containers
    if site.exec("login", ["test", "-e", f"{IMAGES}/root.tar"], check=False).returncode != 0:
        site.exec("login", ["bash", "-c", MAKE], user="dev", timeout=TIMEOUT)
    return site


@pytest.fixture
def connected(site: DockerCluster) -> Iterator[Cluster]:
    with active_client(site) as cluster:
        yield cluster


@pytest.fixture
def folder(connected: Cluster) -> str:
    return connected.backend.make_directory(f"/shared/work/{secrets.token_hex(6)}")


def in_container(function: Any, runtime: str, make: Any = task, **settings: Any) -> Any:
    settings = {"image": IMAGE, "mounts": OF_SLURM, **settings}
    packaging = {"type": "container", "runtime": runtime, **settings}
    return make(packaging=packaging, time="00:05:00", mem="400M")(function)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_job_runs_in_the_image_and_sees_what_it_is_to_see(
    runtime: str, connected: Cluster, folder: str
) -> None:
    connected.backend.write_file(f"{folder}/a file", b"")
    some = in_container(
        container_tasks.look,
        runtime,
        mounts=[f"{folder}:/mnt/data"],
        workdir="/mnt/data",
        env=["GIVEN"],
    )
    job = some.with_options(gres="gpu:1", partition="gpu", export="ALL,GIVEN=to the job")()
    seen = job.get_result(TIMEOUT)
    assert seen["mark"] == "image"
    assert seen["gpus"] in ("0", "1")
    assert (seen["user"], seen["folder"]) == (1000, "/mnt/data")
    assert seen["mounted"] == ["a file"]
    assert seen["given"] == "to the job"
    assert connected.backend.read_file(f"{job.job_dir}/written") == b"by the job"
    metadata = json.loads(connected.backend.read_file(f"{job.job_dir}/metadata.json"))
    assert metadata["image"] == {"name": IMAGE, "runtime": runtime}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_exception_comes_back(runtime: str, connected: Cluster) -> None:
    job = in_container(container_tasks.fail, runtime)("on purpose")
    with pytest.raises(ValueError, match="on purpose"):
        job.get_result(TIMEOUT)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_workflow_in_a_container_has_its_jobs_in_the_same(
    runtime: str, connected: Cluster
) -> None:
    job = in_container(container_tasks.both, runtime, workflow)(3)
    assert job.get_result(TIMEOUT) == ["image", (6, "image"), (8, "image")]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_signal_to_the_batch_script_reaches_python(
    runtime: str, connected: Cluster, site: DockerCluster, folder: str
) -> None:
    job = in_container(container_tasks.wait_for_signal, runtime, mounts=[folder])(f"{folder}/gate")
    wait_for_file(connected, f"{folder}/gate")
    site.exec("login", ["scancel", "--batch", "--signal=USR1", job.id])
    assert job.get_result(TIMEOUT) == "SIGUSR1"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_cancelled_job_leaves_nothing_running(
    runtime: str, connected: Cluster, site: DockerCluster, folder: str
) -> None:
    job = in_container(container_tasks.beat, runtime, mounts=[folder])(f"{folder}/beat")
    wait_for_file(connected, f"{folder}/beat")
    job.cancel()
    with pytest.raises(JobCancelled):
        job.get_result(TIMEOUT)
    named = job.job_dir.replace("shared", "share[d]", 1)  # which the search itself is not
    gone = f"! grep -qsa {named} /proc/[0-9]*/cmdline"
    for node in ("c1", "c2"):
        script = f"for i in $(seq 600); do {gone} && exit 0; sleep 0.1; done; exit 1"
        site.exec(node, ["bash", "-c", script], timeout=TIMEOUT)


def test_the_runtime_is_found(connected: Cluster) -> None:
    job = task(packaging=f"container:{IMAGE}", time="00:03:00")(container_tasks.look)()
    assert job.get_result(TIMEOUT)["mark"] == "image"
    metadata = json.loads(connected.backend.read_file(f"{job.job_dir}/metadata.json"))
    assert metadata["image"]["runtime"] == "slurm-oci"


def test_an_archive_is_unpacked_once_for_jobs_that_start_together(
    connected: Cluster, site: DockerCluster
) -> None:
    packaged = {"image": f"{IMAGES}/root.tar", "mounts": []}
    some = in_container(container_tasks.double.unwrapped, "charliecloud", **packaged)
    jobs = [some(number) for number in range(4)]
    assert [job.get_result(TIMEOUT) for job in jobs] == [(2 * n, "image") for n in range(4)]
    found = site.exec("login", ["sh", "-c", "ls -d /shared/home/dev/slurm_jobs/.packages/*/image"])
    assert len(found.stdout.split()) == 1
    metadata = json.loads(connected.backend.read_file(f"{jobs[0].job_dir}/metadata.json"))
    sum_there = site.exec("login", ["sha256sum", f"{IMAGES}/root.tar"]).stdout.split()[0]
    assert metadata["image"]["digest"] == f"sha256:{sum_there}"


@pytest.mark.parametrize("runtime", ["slurm-oci", "charliecloud"])
def test_the_train_and_evaluation_example_runs_in_containers(
    runtime: str, site: DockerCluster, connected: Cluster, folder: str, tmp_path: Path
) -> None:
    """All of it: the workflow that submits in one, training and evaluations in others, and what they leave for each other."""
    settings: dict[str, Any] = {"type": "container", "image": IMAGE, "runtime": runtime}
    settings["mounts"] = [*OF_SLURM, folder]
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    slurmfile = tmp_path / "Slurmfile.toml"
    given = site.slurmfile.read_text()
    assert "[default.packaging]" not in given
    slurmfile.write_text("\n".join([given, "[default.packaging]", *lines, ""]))
    arguments = {
        "slurmfile": slurmfile,
        "workdir": folder,
        "epochs": 2,
        "epoch-steps": 4,
        "steps-per-job-cap": 2,
        "step-seconds": 0.01,
        "eval-seconds": 0.1,
    }
    options = [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "slurm.examples.parallel_train_eval.workflow", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    state = json.loads(connected.backend.read_file(f"{folder}/state.json"))
    assert state["status"] == "completed"
    for number, epoch in enumerate(state["epochs"]):
        history = json.loads(connected.backend.read_file(epoch["checkpoint"]))["history"]
        assert [step["step"] for step in history] == [1, 2, 3, 4]
        assert json.loads(connected.backend.read_file(epoch["metrics"]))["epoch"] == number
    ids = set(state["orchestrators"])
    ids |= {job["job_id"] for epoch in state["epochs"] for job in epoch["train_jobs"]}
    found = connected.backend.collect_metadata("/shared/home/dev/slurm_jobs", 1000).files.values()
    ours = [about for about in map(json.loads, found) if about["job_id"] in ids]
    assert len(ours) == len(ids) == 5
    assert {about["image"]["runtime"] for about in ours} == {runtime}


def test_a_cluster_without_runtimes_says_so_before_it_is_given_a_job(cluster: Cluster) -> None:
    some = task(packaging="container:python:3.12")(container_tasks.look)
    with cluster, pytest.raises(PackagingError, match="has no runtime of containers at all"):
        some()
    assert not cluster.backend.get_queue()
