"""Unknown and changed host keys are refused; a user accepts one in `slurm login`, where ssh asks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from connection.conftest import World
from connection.sshd import Sshd
from slurm.errors import HostKeyError

pytestmark = pytest.mark.slurm


@pytest.fixture
def hpc(world: World, node: Sshd) -> World:
    """The host `hpc`, of which nothing is known; ssh_config would accept any key without a question."""
    world.configure(
        f"Host hpc\n  HostName 127.0.0.1\n  Port {node.port}\n  StrictHostKeyChecking no"
    )
    return world


@pytest.fixture
def other_key(tmp_path: Path) -> str:
    """A host key, but not that of the host."""
    path = tmp_path / "key"
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(argv, check=True)
    return path.with_suffix(".pub").read_text().strip()


def refusal(world: World) -> str:
    with pytest.raises(HostKeyError) as caught:
        world.connect("hpc").get_cluster_info()
    [line] = str(caught.value).splitlines()
    return line


def test_an_unknown_key_is_refused_until_the_user_accepts_it(hpc: World, node: Sshd) -> None:
    login = f"slurm login hpc --config-file {hpc.config_file}"
    before = len(node.accepted())
    said = refusal(hpc)
    assert f"host key is known for [127.0.0.1]:{node.port}" in said
    assert said.endswith(login)
    assert len(node.accepted()) == before
    with hpc.at_a_terminal(hpc.slurm_login("hpc")) as terminal:
        terminal.answer("Are you sure you want to continue connecting", "yes")
        assert terminal.end()[0] == 0
    hpc.without_a_terminal(hpc.slurm_login("--exit", "hpc"))
    assert hpc.connect("hpc").get_cluster_info()["partitions"], "for good, not for that login"


def test_a_user_may_refuse_it(hpc: World) -> None:
    with hpc.at_a_terminal(hpc.slurm_login("hpc")) as terminal:
        terminal.answer("Are you sure you want to continue connecting", "no")
        assert terminal.end()[0] == 1
    assert "host key is known" in refusal(hpc)


def test_a_changed_key_is_refused_by_programs_and_by_slurm_login(
    hpc: World, node: Sshd, other_key: str
) -> None:
    hpc.know(node.port, key=other_key)
    said = refusal(hpc)
    assert f"Host key for [127.0.0.1]:{node.port} has changed" in said
    remove = said.partition("confirm a new key: ")[2].partition(", then: ")[0]
    with hpc.at_a_terminal(hpc.slurm_login("hpc")) as terminal:
        status, shown = terminal.end()
    assert status == 1
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in shown
    subprocess.run(["sh", "-c", remove], check=True, capture_output=True)
    assert "host key is known" in refusal(hpc), "the command in the message removes the old key"


def test_a_key_in_a_file_of_its_own(hpc: World, node: Sshd, tmp_path: Path) -> None:
    pinned = tmp_path / "the site's 100% known hosts"
    pinned.write_text(f"[127.0.0.1]:{node.port} {hpc.host_key}\n")
    assert hpc.connect("hpc", known_hosts_file=str(pinned)).get_cluster_info()["partitions"]
