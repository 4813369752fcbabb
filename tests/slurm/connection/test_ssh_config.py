"""What the user's ssh_config says of a host holds, as it does for `ssh` itself."""

from __future__ import annotations

import re
import socket

import pytest

import cluster_tasks
from connection.conftest import World
from connection.sshd import Sshd, log_of
from slurm.errors import AuthenticationFailed, HostKeyError, TransportError
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

TIMEOUT = 240.0


@pytest.fixture
def port(slurm_cluster: DockerCluster) -> int:
    """Where the cluster's own login node answers."""
    return int(slurm_cluster.access.known_hosts.read_text().partition("]:")[2].split()[0])


def test_an_alias_and_its_port(world: World, port: int) -> None:
    world.configure(f"Host hpc\n  HostName 127.0.0.1\n  Port {port}")
    world.know(port)
    with world.connect("hpc"):
        assert cluster_tasks.add(1, 2).get_result(TIMEOUT) == 3


def test_a_port_that_is_given_comes_before_that_of_the_alias(world: World, port: int) -> None:
    world.configure("Host hpc\n  HostName 127.0.0.1\n  Port 1")
    world.know(port)
    with pytest.raises(TransportError, match=r"hpc: .*port 1: Connection refused\. .*the port"):
        world.connect("hpc").get_cluster_info()
    assert world.connect("hpc", port=port).get_cluster_info()["partitions"]


def test_a_file_that_is_included(world: World, port: int) -> None:
    (world.folder / "conf.d").mkdir()
    (world.folder / "conf.d" / "hpc").write_text(f"Host hpc\n  HostName 127.0.0.1\n  Port {port}")
    world.configure(f"Include {world.folder}/conf.d/*")
    world.know(port)
    assert world.connect("hpc").get_cluster_info()["partitions"]


def test_an_identity_file(world: World, node: Sshd) -> None:
    """Without the key that ssh_config names, nobody is let in."""
    world.config_file.write_text(
        f"Host *\n  HostName 127.0.0.1\n  Port {node.port}\n  User dev\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {world.known_hosts}\n"
        f"Host hpc\n  IdentityFile {world.key}\nHost other\n  IdentityFile /nowhere/key\n"
    )
    world.know(node.port)
    assert world.connect("hpc").get_cluster_info()["partitions"]
    with pytest.raises(AuthenticationFailed, match=r"Permission denied \(publickey\)"):
        world.connect("other").get_cluster_info()
    assert world.connect("other", identity_file=str(world.key)).get_cluster_info()["partitions"]


def by_gate(world: World, gate: Sshd, behind: str, more: str = "") -> None:
    """Configure `hpc`, which is reached through the gate, and the gate."""
    world.configure(
        f"Host hpc\n  HostName {behind}\n  ProxyJump gate\nHost c1\n  ProxyJump gate\n"
        f"Host gate\n  HostName 127.0.0.1\n  Port {gate.port}\n{more}"
    )
    world.know(behind)


def test_a_jump_host_is_gone_through(world: World, gate: Sshd, behind: str) -> None:
    by_gate(world, gate, behind)
    world.know(gate.port, key=gate.host_key)
    with world.connect("hpc"):
        assert cluster_tasks.add(1, 2).get_result(TIMEOUT) == 3
    with pytest.raises(TransportError, match="Could not resolve hostname"):
        world.connect(behind).get_cluster_info()


def test_what_a_jump_host_does_not_reach_is_said(world: World, gate: Sshd, behind: str) -> None:
    by_gate(world, gate, behind)
    world.know(gate.port, key=gate.host_key)
    with pytest.raises(TransportError, match=r"administratively prohibited.* The jump host"):
        world.connect("c1").get_cluster_info()


def test_who_is_refused_by_a_jump_host_is_told_to_log_in(
    world: World, gate: Sshd, behind: str
) -> None:
    by_gate(world, gate, behind, "  User stranger")
    world.know(gate.port, key=gate.host_key)
    with pytest.raises(AuthenticationFailed) as caught:
        world.connect("hpc").get_cluster_info()
    [line] = str(caught.value).splitlines()
    assert "stranger@127.0.0.1: Permission denied" in line
    assert line.endswith(f": slurm login hpc --config-file {world.config_file}")


def test_an_unknown_jump_host_is_refused(world: World, gate: Sshd, behind: str) -> None:
    """The ssh to it has no BatchMode, and would ask if it could."""
    by_gate(world, gate, behind)
    with pytest.raises(HostKeyError, match="jump host") as caught:
        world.connect("hpc").get_cluster_info()
    assert str(caught.value).endswith(f"slurm login hpc --config-file {world.config_file}")


def test_ports_and_commands_of_the_users_own_sessions_are_not_taken(
    world: World, node: Sshd
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        world.configure(
            f"Host hpc\n  HostName 127.0.0.1\n  Port {node.port}\n  RemoteCommand tmux attach\n"
            "  RequestTTY force\n  ExitOnForwardFailure yes\n  LogLevel QUIET\n"
            f"  LocalForward 127.0.0.1:{taken.getsockname()[1]} 127.0.0.1:80"
        )
        world.know(node.port)
        assert world.connect("hpc").get_cluster_info()["partitions"]
    with pytest.raises(AuthenticationFailed, match="Permission denied"):  # for all its LogLevel
        world.connect("hpc", username="stranger").get_cluster_info()


def test_a_program_authenticates_once(
    world: World, gate: Sshd, behind: str, slurm_cluster: DockerCluster
) -> None:
    """It submits, waits for and fetches many jobs; the gate and the login node count the logins."""
    by_gate(world, gate, behind)
    world.know(gate.port, key=gate.host_key)
    before = logins(gate, slurm_cluster)
    with world.connect("hpc") as cluster:
        jobs = [cluster_tasks.add(number, 1) for number in range(4)]
        array = cluster_tasks.add.map([(number, 2) for number in range(4)])
        chained = cluster_tasks.add(jobs[0], jobs[1])
        assert [job.get_result(TIMEOUT) for job in jobs] == [1, 2, 3, 4]
        assert array.get_results(TIMEOUT) == [2, 3, 4, 5]
        assert chained.get_result(TIMEOUT) == 3
        assert jobs[0].get_stdout() == ""
        assert isinstance(cluster.get_queue(), list)
    assert logins(gate, slurm_cluster) == [count + 1 for count in before]


def logins(gate: Sshd, cluster: DockerCluster) -> list[int]:
    """How many logins were accepted until now by the gate, and of those through it by the login node."""
    through = re.compile(rf"Accepted publickey for dev from {re.escape(gate.address)} port .*")
    return [
        len(gate.accepted()),
        len(list(filter(through.match, log_of(f"{cluster.project}-login-1")))),
    ]
