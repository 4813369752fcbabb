"""A cluster whose login node is entered as at sites: through a bastion, with a second factor, past what it prints."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import cluster_tasks
from connection.terminal import Terminal
from slurm import Cluster
from slurm.errors import AuthenticationFailed
from slurm.testing import DockerCluster
from slurm.testing.plugin import SHARED

pytestmark = pytest.mark.slurm

TIMEOUT = 240.0
OPTIONS = {"second_factor": True, "bastion": True, "talking_login": True, "users": ["ann"]}


@pytest.fixture(scope="module")
def entered(pytestconfig: pytest.Config) -> DockerCluster:
    """A cluster with all three, apart from that of the other tests."""
    return replace(pytestconfig.stash[SHARED], purpose="login", options=OPTIONS).bring_up()


@pytest.fixture
def client(entered: DockerCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Of a user with a home of their own, whose path is as short as those of users are."""
    with tempfile.TemporaryDirectory(prefix="h-", dir="/tmp") as home:
        monkeypatch.setenv("HOME", home)
        cluster = Cluster.from_env(entered.slurmfile)
        yield cluster
        cluster.close()
        entered.log_out()


def ssh(docker: DockerCluster, *words: str) -> subprocess.CompletedProcess[str]:
    """What somebody sees who is asked nothing."""
    argv = ["ssh", "-F", str(docker.ssh_config), "-o", "BatchMode=yes", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def test_a_program_is_let_in_after_the_login_that_it_names(
    entered: DockerCluster, client: Cluster
) -> None:
    with pytest.raises(AuthenticationFailed, match="slurm login"):
        client.get_cluster_info()
    entered.log_in()
    with client:
        assert cluster_tasks.add(1, 2).get_result(TIMEOUT) == 3
    entered.log_out()
    with pytest.raises(AuthenticationFailed, match="slurm login"):
        Cluster.from_env(entered.slurmfile).get_cluster_info()


def test_a_user_is_asked_for_what_the_cluster_object_knows(entered: DockerCluster) -> None:
    argv = ["ssh", "-tt", "-F", str(entered.ssh_config), entered.project, "sinfo -h -o %P"]
    with Terminal(argv, os.environ) as terminal:
        terminal.answer("Password: ", entered.second_factor)
        status, shown = terminal.end()
    assert status == 0
    assert "cpu*" in shown
    with Terminal(argv, os.environ) as terminal:
        terminal.answer("Password: ", "guess")
        status, shown = terminal.end()
    assert status == 255
    assert "Permission denied (keyboard-interactive)" in shown


def test_it_talks_before_and_after_the_login(entered: DockerCluster) -> None:
    said = entered.over_ssh.run(["hostname"])
    assert said.stdout == "You are on login as dev.\nlogin\n"
    assert "Authorized users only" in said.stderr
    assert "quota: 91% of your home is used\n" in said.stderr
    assert entered.over_ssh.run(["hostname"], on="c1").stdout == "c1\n"
    assert entered.over_ssh.run(["id", "-un"], user="ann").stdout.endswith("ann\n")
    both = entered.over_ssh.run(["bash", "-lc", "true"])
    assert both.stdout == "You are on login as dev.\n" * 2, "of ssh's shell, and of a login shell"


def test_the_bastion_runs_nothing_and_leads_to_the_login_node_alone(entered: DockerCluster) -> None:
    gate = f"{entered.project}-bastion"
    assert ssh(entered, gate, "id").stdout == ""
    assert "administratively prohibited" in ssh(entered, "-W", "slurmctld:6817", gate).stderr
    let_through = ssh(entered, "-W", "login:22", gate)
    assert let_through.stdout.startswith("SSH-2.0-")
    published = entered.compose.run("ps", "--format", "{{.Service}} {{.Ports}}").stdout
    assert [line.split()[0] for line in published.splitlines() if "127.0.0.1:" in line] == [
        "bastion"
    ]


def test_without_a_bastion_nobody_comes_in(entered: DockerCluster) -> None:
    entered.kill("bastion")
    assert ssh(entered, entered.project, "true").returncode == 255
    entered.start("bastion")
    assert entered.over_ssh.run(["id", "-un"]).stdout.endswith("dev\n")


def test_the_password_lies_where_its_owner_alone_may_look(entered: DockerCluster) -> None:
    password = entered.second_factor
    files = [path for path in Path(entered.state_dir).rglob("*") if path.is_file()]
    assert {path.name for path in files if password in path.read_text("utf-8")} == {"second_factor"}
    assert entered.state_dir.stat().st_mode & 0o077 == 0
    inspected = subprocess.run(
        ["docker", "inspect", *(f"{entered.project}-{one}-1" for one in entered.services)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert password not in inspected.stdout
    assert password not in entered.logs()
