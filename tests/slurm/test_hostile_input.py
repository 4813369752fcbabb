"""Words that mean something to a shell, to sbatch or to a path mean nothing more than themselves."""

from __future__ import annotations

import posixpath

import pytest

import cluster_tasks
from slurm import Cluster, gather
from slurm.errors import ConfigError, RemoteFileError, SubmissionRefused
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

TIMEOUT = 240.0
MARK = "/shared/pwned"
WORDS = [
    "a b",
    "it's",
    'a"b',
    f"$(touch {MARK})",
    f"`touch {MARK}`",
    f"; touch {MARK} #",
    f"| touch {MARK}",
    "--wrap=hostname",
    "-x",
    "~root",
    "*",
    "!1",
    "a,b=c",
    "%j%%",
    "{a}",
    "ünïcödé 日本",
    "a\u2028b",
    "\u202eb",
]
BROKEN = ["a\nb", "a\n#SBATCH --comment=x", "a\0b", "a\rb"]


@pytest.fixture(autouse=True)
def nothing_was_run(slurm_cluster: DockerCluster) -> None:
    """Fails where an earlier word was run by a shell."""
    assert slurm_cluster.exec("login", ["test", "-e", MARK], check=False).returncode == 1


def test_words_are_arguments_names_comments_and_keys(
    ssh: Cluster, slurm_cluster: DockerCluster, workdir: str
) -> None:
    with ssh.batch():
        jobs = [
            cluster_tasks.same.with_options(job_name=word, comment=word).submit(
                ssh, key=workdir + word
            )(word)
            for word in WORDS
        ]
    assert gather(*jobs) == WORDS
    assert all(posixpath.dirname(job.job_dir).endswith("/slurm_jobs/same") for job in jobs)
    nothing_was_run.__wrapped__(slurm_cluster)  # type: ignore[attr-defined]


def test_words_are_directories(slurm_cluster: DockerCluster, workdir: str) -> None:
    base = workdir + "/" + " ".join(word for word in WORDS if "/" not in word)
    cluster = Cluster.from_env(slurm_cluster.slurmfile, overrides={"job_base_dir": base})
    job = cluster_tasks.same.submit(cluster)("here")
    assert job.get_result(TIMEOUT) == "here"
    assert job.job_dir.startswith(f"{base}/same/")
    cluster.close()


def test_words_are_partitions_that_do_not_exist(ssh: Cluster) -> None:
    for word in WORDS:
        with pytest.raises((SubmissionRefused, ConfigError)) as caught:
            cluster_tasks.same.with_options(partition=word)("x")
        assert len(str(caught.value).split("\n")) == 1, word


def test_what_would_be_a_line_of_its_own_is_refused_before_anything_is_submitted(
    ssh: Cluster,
) -> None:
    for word in BROKEN:
        for option in ("comment", "job_name", "partition", "account"):
            with pytest.raises(ConfigError, match=option):
                cluster_tasks.same.with_options(**{option: word})
        with pytest.raises(ConfigError, match=r"job_base_dir .*line break or control character"):
            Cluster("ssh", hostname="login", job_base_dir=f"/shared/{word}").dry_run(
                cluster_tasks.same, "x"
            )
    arguments = [cluster_tasks.same(word) for word in BROKEN]
    assert gather(*arguments) == BROKEN, "an argument may be anything"


def test_a_directory_that_others_can_write_to_is_refused(
    slurm_cluster: DockerCluster, workdir: str
) -> None:
    shared = f"{workdir}/shared"
    argv = ["install", "-d", "-o", "dev", "-g", "users", "-m", "2775", shared]
    slurm_cluster.exec("login", argv)
    cluster = Cluster.from_env(slurm_cluster.slurmfile, overrides={"job_base_dir": shared})
    with pytest.raises(RemoteFileError, match=f"job_base_dir of your own, such as {shared}/dev"):
        cluster_tasks.add.submit(cluster)(1, 2)
    cluster.close()
    cluster = Cluster.from_env(slurm_cluster.slurmfile, overrides={"job_base_dir": f"{shared}/dev"})
    assert cluster_tasks.add.submit(cluster)(1, 2).get_result(TIMEOUT) == 3
    cluster.close()
