"""Two users of one cluster: what is one's is neither read, changed, found nor cancelled by the other."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import cluster_tasks
from slurm import Cluster
from slurm.errors import JobCancelled, RemoteFileError, RemoteFileMissing
from slurm.job import Job
from slurm.testing import ClusterError, DockerCluster

pytestmark = pytest.mark.slurm

TIMEOUT = 400.0
HE, SHE = "dev", "ann"
add = cluster_tasks.add.with_options(partition="others")
wait_for = cluster_tasks.wait_for.with_options(partition="others")


@pytest.fixture
def scratch(site: DockerCluster) -> str:
    """A directory in which everybody may make files, with one of each user's that others may enter."""
    path = f"/shared/{secrets.token_hex(6)}"
    site.over_exec.run(["install", "-d", "-m", "1777", path], user="root")
    for user in (HE, SHE):
        site.over_exec.run(["mkdir", "-m", "0755", f"{path}/{user}"], user=user)
    return path


@pytest.fixture
def his(site: DockerCluster, scratch: str) -> Iterator[Cluster]:
    with client(site, HE, f"{scratch}/{HE}") as connected:
        yield connected


@pytest.fixture
def hers(site: DockerCluster, scratch: str) -> Iterator[Cluster]:
    with client(site, SHE, f"{scratch}/{SHE}") as connected:
        yield connected


@contextmanager
def client(site: DockerCluster, user: str, base: str) -> Iterator[Cluster]:
    slurmfile = site.of_user(user).slurmfile
    connected = Cluster.from_env(slurmfile, overrides={"job_base_dir": base})
    try:
        yield connected
    finally:
        connected.close()


def test_what_one_has_the_other_can_neither_read_nor_change(
    site: DockerCluster, his: Cluster
) -> None:
    job = add.submit(his, key="of his")(1, 2)
    assert job.get_result(TIMEOUT) == 3
    base = his.job_base_dir
    listed = site.over_exec.run(["find", base, "-mindepth", "1"], user=HE).stdout.splitlines()
    names = {path.rpartition("/")[2] for path in listed}
    assert {"metadata.json", "result.pkl", "job.sh", ".receipts", ".packages", ".sdk"} <= names
    # Every path is tried by its name, for who cannot list a directory may guess what is in it.
    tried = 'while read -r path; do [ ! -r "$path" ] && [ ! -w "$path" ] || echo "$path"; done'
    reached = site.over_exec.run(["bash", "-c", tried], user=SHE, input="\n".join(listed) + "\n")
    within = [path for path in reached.stdout.splitlines() if path.count("/") > base.count("/") + 1]
    assert within == []
    with pytest.raises(ClusterError, match="Permission denied"):
        site.over_ssh.read_file(f"{job.job_dir}/result.pkl", user=SHE)
    with pytest.raises(ClusterError, match="Permission denied"):
        site.over_ssh.write_file(f"{job.job_dir}/result.pkl", b"hers", user=SHE)


def test_neither_finds_nor_cancels_the_others_jobs(
    site: DockerCluster, his: Cluster, hers: Cluster
) -> None:
    job = wait_for.submit(his, key="mine")(f"{his.job_base_dir}/never")
    with pytest.raises(
        RemoteFileMissing, match=f"no job {job.id} was submitted under {hers.job_base_dir}"
    ):
        hers.get_job(job.id)
    with pytest.raises(RemoteFileError, match=f"Permission denied: {job.job_dir}"):
        Job.from_dir(job.job_dir, hers)
    with client(site, SHE, his.job_base_dir) as curious:
        with pytest.raises(RemoteFileError, match=f"Permission denied: {his.job_base_dir}"):
            curious.get_job(job.id)
        with pytest.raises(RemoteFileError, match=r"other users can write to .* of your own$"):
            add.submit(curious, key="mine")(1, 2)
    assert job.id not in [row["job_id"] for row in hers.get_queue()]
    with pytest.raises(ClusterError, match="Access/permission denied"):
        site.over_ssh.run(["scancel", job.id], user=SHE)
    same_name = add.submit(hers, key="mine")(3, 4)
    assert (same_name.reattached, same_name.get_result(TIMEOUT)) == (False, 7)
    assert not job.is_completed()
    job.cancel()
    with pytest.raises(JobCancelled):
        job.get_result(TIMEOUT)


def test_a_base_that_others_can_write_to_is_refused_before_anything_is_in_it(
    site: DockerCluster, scratch: str
) -> None:
    """What runs as one could be changed by the other there. That of a group is one, however it came about."""
    group = f"{scratch}/group"
    site.over_exec.run(["install", "-d", "-o", HE, "-g", "users", "-m", "2770", group], user="root")
    before = site.over_exec.run(["ls", "-A", scratch, group]).stdout
    for user, base in ((HE, scratch), (SHE, scratch), (HE, group)):
        with client(site, user, base) as cluster:
            with pytest.raises(RemoteFileError) as refused:
                add.submit(cluster)(1, 2)
            said = str(refused.value)
            assert f"other users can write to {base}, and so change what your jobs run" in said
            assert f"choose a job_base_dir of your own, such as {base}/{user}" in said
            assert "\n" not in said
    assert site.over_exec.run(["ls", "-A", scratch, group]).stdout == before
