"""Banners, messages of the day, and start-up files that print and change the shell."""

from __future__ import annotations

import secrets

import pytest

import cluster_tasks
from connection.conftest import World
from connection.sshd import Sshd
from slurm import Cluster
from slurm.errors import AuthenticationFailed, TransportError

pytestmark = pytest.mark.slurm

TIMEOUT = 240.0
CHATTY = r"""
echo "Welcome to the cluster of $USER"; echo "quota: 99% used" >&2
printf '\033[2J\000\377slf\000\000\000\000\002'
echo 'slurm-tasks-agent 0123456789abcdef'
printf 'no newline at the end'
"""
START_UP_FILES = {
    "prints on stdout and stderr": ("/bin/bash", CHATTY),
    "makes every mistake fatal": ("/bin/bash", "set -euo pipefail; shopt -s extglob failglob"),
    "prints at its end and later": (
        "/bin/bash",
        "trap 'echo bye; echo bye >&2' EXIT; (sleep 0.2; echo late; echo late >&2) &",
    ),
    "joins stdout and stderr": ("/bin/bash", "exec 2>&1; echo joined"),
    "has functions and aliases of all names": (
        "/bin/bash",
        "python3() { echo no; }; shopt -s expand_aliases; alias python3=false exit=false",
    ),
    "traces": ("/bin/bash", "set -x; PS4='+ $(date) '"),
    "is not read by this shell": ("/bin/sh", CHATTY),
    "changes the mask and the locale": (
        "/bin/bash",
        "umask 077; unset PYTHONPATH; export LANG=xx_YY",
    ),
}


@pytest.fixture
def hpc(world: World, node: Sshd) -> World:
    world.configure(f"Host hpc\n  HostName 127.0.0.1\n  Port {node.port}")
    world.know(node.port)
    return world


def account(cluster: Cluster, node: Sshd, shell: str, start_up: str) -> str:
    """A user with such start-up files, who is `dev` under another name: Slurm's nodes know the number."""
    name = f"u{secrets.token_hex(4)}"
    home = cluster.backend.make_directory(f"/shared/work/{name}")
    for file in (".bashrc", ".bash_profile", ".profile", ".ssh/rc", ".kshrc", ".zshenv"):
        cluster.backend.write_file(f"{home}/{file}", f"{start_up}\n".encode())
    argv = ["useradd", "--non-unique", "--uid", "1000", "--gid", "1000", "--no-create-home"]
    node.run(*argv, "--home-dir", home, "--shell", shell, "--password", "*", name)
    return name


@pytest.mark.parametrize("kind", START_UP_FILES)
def test_whatever_start_up_files_do_jobs_run(
    kind: str, hpc: World, node: Sshd, cluster: Cluster
) -> None:
    name = account(cluster, node, *START_UP_FILES[kind])
    shared = "/shared/home/dev/slurm_jobs"
    with hpc.connect("hpc", username=name, job_base_dir=shared) as client:
        assert cluster_tasks.add(1, 2).get_result(TIMEOUT) == 3
        assert client.backend.read_file("/etc/motd").endswith(b"Welcome!\n")


def test_a_banner_is_neither_an_answer_nor_a_reason(hpc: World) -> None:
    """It says something like the errors of ssh do."""
    assert hpc.connect("hpc").get_cluster_info()["partitions"]
    with pytest.raises(AuthenticationFailed) as caught:
        hpc.connect("hpc", username="stranger").get_cluster_info()
    assert "strangers" not in str(caught.value)
    assert "stranger@127.0.0.1: Permission denied (publickey)" in str(caught.value)


def test_a_start_up_file_that_lets_nobody_in_is_quoted(
    hpc: World, node: Sshd, cluster: Cluster
) -> None:
    closed = account(cluster, node, "/bin/bash", "echo 'Closed for maintenance'; exit 1")
    with pytest.raises(TransportError, match="Closed for maintenance"):
        hpc.connect("hpc", username=closed).get_cluster_info()


def test_an_interpreter_that_is_not_there_is_said(hpc: World) -> None:
    with pytest.raises(TransportError, match=r"python9: not found\. Name an interpreter"):
        hpc.connect("hpc", python="python9").get_cluster_info()
