"""Commands on the cluster's machines, as they are handed to Docker and to ssh; both are fakes here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.helpers.fakes import Programs

from slurm.testing import ClusterError, DockerCluster


@pytest.fixture
def cluster(tmp_path: Path) -> DockerCluster:
    return DockerCluster("mine", state_dir=tmp_path, users=["ann"])


def test_words_are_handed_on_as_they_are(cluster: DockerCluster, programs: Programs) -> None:
    programs.add("docker", "cat")
    assert cluster.over_exec.run(["echo", "a b"], on="c1", input="read").stdout == "read"
    in_home = ["--user", "dev", "--workdir", "/shared/home/dev"]
    assert programs.calls("docker") == [
        ["exec", "--interactive", *in_home, "mine-c1-1", "echo", "a b"]
    ]


def test_ssh_which_has_a_shell_at_the_other_end_gets_them_quoted(
    cluster: DockerCluster, programs: Programs, tmp_path: Path
) -> None:
    programs.add("ssh", "echo out")
    cluster.over_ssh.run(["echo", "$HOME", "a b"], on="c2", user="ann")
    cluster.over_ssh.run("hostname")
    config = str(tmp_path / "users/ann/ssh_config")
    assert [call[-5:] for call in programs.calls("ssh")] == [
        ["-F", config, "-T", "c2", "echo '$HOME' 'a b'"],
        ["-F", str(tmp_path / "ssh_config"), "-T", "mine", "bash -c hostname"],
    ]


def test_a_failure_is_told_with_its_command_machine_status_and_last_line(
    cluster: DockerCluster, programs: Programs
) -> None:
    programs.add("docker", "echo why >&2; echo not >&2; exit 3")
    for way in (
        lambda: cluster.over_exec.run(["ls", "a b"], on="c1"),
        lambda: cluster.over_exec.read_file("a b", on="c1"),
        lambda: cluster.over_exec.write_file("a b", "x", on="c1"),
    ):
        with pytest.raises(ClusterError, match=r"^(ls|cat|write) 'a b' on c1 failed with 3: not$"):
            way()
    assert cluster.over_exec.run(["ls"], check=False).returncode == 3


@pytest.mark.parametrize(
    ("how", "where", "said"),
    [
        (
            "over_exec",
            {"on": "c9"},
            "there is no service 'c9'; there are db, slurmdbd, slurmctld, login, c1, c2",
        ),
        ("over_ssh", {"on": "db"}, "ssh leads to login, c1, c2, not to 'db'"),
        (
            "over_ssh",
            {"user": "root"},
            "there is no user 'root' on the cluster; there are dev, ann",
        ),
    ],
)
def test_what_cannot_be_reached_is_said_before_anything_is_run(
    how: str, where: dict[str, str], said: str, cluster: DockerCluster
) -> None:
    with pytest.raises(ClusterError, match=re.escape(said)):
        getattr(cluster, how).run(["ls"], **where)
