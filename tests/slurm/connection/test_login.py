"""A host that wants more than a key: `slurm login` asks once, on a terminal, for all later clients."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Callable

import pytest
from tests.conformance.waiting import wait_until

import cluster_tasks
from connection.conftest import World
from connection.sshd import Sshd
from slurm.errors import AuthenticationFailed
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

TIMEOUT = 240.0


@pytest.fixture
def host(world: World, factor: Sshd) -> Sshd:
    """The host `hpc`, which asks for a password after the key; its host key is known."""
    world.configure(
        f"Host hpc\n  HostName 127.0.0.1\n  Port {factor.port}\n  NumberOfPasswordPrompts 1"
    )
    world.know(factor.port)
    return factor


@pytest.fixture
def log_in(world: World, password: str) -> Callable[..., str]:
    """Logs in as a user does, and returns what `slurm login` said last."""

    def answering(*arguments: str) -> str:
        with world.at_a_terminal(world.slurm_login(*arguments)) as terminal:
            terminal.answer("Password: ", password)
            status, said = terminal.end()
        assert status == 0, said
        return said.strip()

    return answering


def refusal(world: World, **options: object) -> str:
    """The one line with which a program that cannot be asked is refused."""
    with pytest.raises(AuthenticationFailed) as caught:
        world.connect("hpc", **options).get_cluster_info()
    [line] = str(caught.value).splitlines()
    return line


def test_the_error_of_a_program_is_the_command_that_mends_it(
    world: World, host: Sshd, password: str
) -> None:
    """Pasted into a terminal, it asks for the password; then the same program runs its jobs."""
    said = refusal(world, username="dev", port=host.port)
    assert "Permission denied (keyboard-interactive)" in said
    command = said.rpartition(": ")[2]
    assert command.startswith("slurm login hpc ")
    before = len(host.accepted())
    with world.at_a_terminal(world.slurm_login(*shlex.split(command)[2:])) as terminal:
        terminal.answer("Password: ", password)
        status, shown = terminal.end()
    assert (status, shown.strip()) == (
        0,
        f"logged in to dev@127.0.0.1 port {host.port}, until nothing has used it for 8 hours",
    )
    with world.connect("hpc", username="dev", port=host.port):
        assert cluster_tasks.add(1, 2).get_result(TIMEOUT) == 3
    assert len(host.accepted()) == before + 1


def test_later_clients_and_logins_are_not_asked_again(
    world: World, host: Sshd, log_in: Callable[..., str]
) -> None:
    log_in("hpc", "--hours", "1")
    before = len(host.accepted())
    with world.connect("hpc") as one:
        job = cluster_tasks.add(1, 2)
    with world.connect("127.0.0.1", port=host.port) as other:  # the same place by another name
        assert other.get_job(job.id).get_result(TIMEOUT) == 3
    again = world.without_a_terminal(world.slurm_login("hpc"))
    checked = world.without_a_terminal(world.slurm_login("--check", "hpc"))
    place = f"logged in to dev@127.0.0.1 port {host.port}\n"
    assert (again.returncode, again.stdout, again.stderr) == (0, place, "")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, place, "")
    one.close()
    other.close()
    assert world.connect("hpc").get_cluster_info()["partitions"], "a program's end ends no login"
    assert len(host.accepted()) == before


def test_who_logs_out_is_asked_again(world: World, host: Sshd, log_in: Callable[..., str]) -> None:
    log_in("hpc")
    for said in ("logged out of", "not logged in to"):
        done = world.without_a_terminal(world.slurm_login("--exit", "hpc"))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"{said} dev@127.0.0.1 port {host.port}\n"
    checked = world.without_a_terminal(world.slurm_login("--check", "hpc"))
    assert checked.returncode == 1
    assert checked.stderr.startswith("slurm login: not logged in to dev@127.0.0.1")
    assert "slurm login hpc" in refusal(world)
    log_in("hpc")
    assert world.connect("hpc").get_cluster_info()["partitions"]


def test_without_a_terminal_nothing_is_asked(world: World, host: Sshd) -> None:
    done = world.without_a_terminal(world.slurm_login("hpc"))
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line == (
        "slurm login: there is no terminal here on which to ask: in one, run "
        f"slurm login hpc --config-file {world.config_file}"
    )
    assert not world.sockets.exists()


CONNECTS = """
import sys
from slurm import Cluster, errors
for name in sys.argv[2:]:
    try:
        Cluster("ssh", hostname=name, config_file=sys.argv[1]).get_cluster_info()
    except errors.TransportError as error:
        print(f"{type(error).__name__}: {error}")
"""


def test_a_program_asks_nothing_even_at_a_terminal(world: World, host: Sshd, behind: str) -> None:
    """Neither does the ssh to a jump host, be it for a password or for an unknown key."""
    hpc = world.config_file.read_text()
    world.configure(
        f"Host by-hpc\n  HostName {behind}\n  ProxyJump hpc\n"
        f"Host by-stranger\n  HostName {behind}\n  ProxyJump stranger\n"
        f"Host stranger\n  HostName 127.0.0.1\n  Port {host.port}\n  HostKeyAlias stranger\n{hpc}"
    )
    expected = {
        "hpc": "AuthenticationFailed",
        "by-hpc": "AuthenticationFailed",
        "by-stranger": "HostKeyError",
    }
    argv = [sys.executable, "-c", CONNECTS, str(world.config_file), *expected]
    with world.at_a_terminal(argv) as terminal:
        status, shown = terminal.end()
    assert status == 0
    for (name, kind), line in zip(expected.items(), shown.splitlines(), strict=True):
        assert line.startswith(f"{kind}: {name}: ")
        assert f"slurm login {name}" in line


def test_the_second_factor_of_a_jump_host_is_asked_for_once(
    world: World, host: Sshd, behind: str, log_in: Callable[..., str]
) -> None:
    world.configure(
        f"Host far\n  HostName {behind}\n  ProxyJump hpc\n{world.config_file.read_text()}"
    )
    world.know(behind)
    before = len(host.accepted())
    assert log_in("far").startswith(f"logged in to dev@{behind},")
    for _ in range(2):
        with world.connect("far") as cluster:
            assert cluster_tasks.add(1, 2).get_result(TIMEOUT) == 3
        cluster.close()
    assert len(host.accepted()) == before + 1


def test_a_wrong_password_is_said_by_ssh_and_in_one_line(world: World, host: Sshd) -> None:
    with world.at_a_terminal(world.slurm_login("hpc")) as terminal:
        terminal.answer("Password: ", "guess")
        status, said = terminal.end()
    assert status == 1
    assert "Permission denied (keyboard-interactive)" in said
    assert said.endswith(
        f"slurm login: not logged in to dev@127.0.0.1 port {host.port}; ssh said why\n"
    )


def test_ctrl_c_at_the_question_leaves_nothing(world: World, host: Sshd) -> None:
    with world.at_a_terminal(world.slurm_login("hpc")) as terminal:
        terminal.answer("Password: ", "\x03")
        status, said = terminal.end()
    assert status == 130
    assert said.rstrip().endswith("slurm login: interrupted.")
    assert list(world.sockets.iterdir()) == []


def test_a_dead_login_leaves_a_clear_error_and_is_made_again(
    world: World, host: Sshd, log_in: Callable[..., str]
) -> None:
    log_in("hpc")
    cluster = world.connect("hpc")
    assert cluster.get_cluster_info()["partitions"]
    os.kill(world.master("hpc"), signal.SIGKILL)
    assert len(list(world.sockets.iterdir())) == 1, "its socket is still there"
    for client in (cluster, world.connect("hpc")):  # one that was connected, and a new one
        with pytest.raises(AuthenticationFailed, match="slurm login hpc"):
            client.get_cluster_info()
    log_in("hpc")
    assert cluster.get_cluster_info()["partitions"]


def test_where_a_key_is_enough_a_dead_login_is_none(
    world: World, slurm_cluster: DockerCluster
) -> None:
    """Nothing is asked, so `slurm login` needs no answers either."""
    port = slurm_cluster.access.known_hosts.read_text().partition("]:")[2].split()[0]
    world.configure(f"Host hpc\n  HostName 127.0.0.1\n  Port {port}")
    world.know(int(port))
    with world.at_a_terminal(world.slurm_login("hpc")) as terminal:
        assert terminal.end()[0] == 0
    os.kill(world.master("hpc"), signal.SIGKILL)
    with world.connect("hpc"):
        assert cluster_tasks.add(1, 2).get_result(TIMEOUT) == 3


def test_a_login_carries_as_many_clients_as_the_host_allows(
    world: World, host: Sshd, log_in: Callable[..., str]
) -> None:
    """MaxSessions is 3 there."""
    log_in("hpc")
    clients = [world.connect("hpc") for _ in range(3)]
    for client in clients:
        assert client.get_cluster_info()["partitions"]
    assert "carries no more sessions" in refusal(world)
    clients.pop().close()
    wait_until(lambda: connects(world), "the host notices that a session has ended")


def connects(world: World) -> bool:
    with contextlib.suppress(AuthenticationFailed):
        return bool(world.connect("hpc").get_cluster_info()["partitions"])
    return False


def test_a_socket_that_others_could_have_made_is_not_used(
    world: World, host: Sshd, log_in: Callable[..., str]
) -> None:
    log_in("hpc")
    world.sockets.chmod(0o755)
    assert "slurm login hpc" in refusal(world)
    done = world.without_a_terminal(world.slurm_login("--check", "hpc"))
    assert done.returncode == 2
    assert done.stderr == (
        f"slurm login: {world.sockets} is open to others: chmod 700 {world.sockets}\n"
    )


def test_the_slurmfile_names_the_host(
    world: World, host: Sshd, log_in: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slurmfile = world.folder / "Slurmfile.toml"
    slurmfile.write_text(
        '[default.cluster]\nbackend = "local"\n[far.cluster]\nbackend = "ssh"\n'
        f'[far.cluster.backend_config]\nhostname = "hpc"\nconfig_file = "{world.config_file}"\n'
    )
    monkeypatch.setenv("SLURMFILE", str(slurmfile))
    monkeypatch.setenv("SLURM_ENV", "far")
    assert log_in().startswith("logged in to dev@127.0.0.1")
    assert world.connect("hpc").get_cluster_info()["partitions"]


# --- the user's own ------------------------------------------------------------------------------


@pytest.fixture
def own(world: World, factor: Sshd) -> World:
    """The host `hpc` again, for which ssh_config has a ControlPath."""
    world.configure(
        f"Host hpc\n  HostName 127.0.0.1\n  Port {factor.port}\n"
        f"  ControlMaster auto\n  ControlPath {world.folder}/cm-%r\n  ControlPersist 60"
    )
    world.know(factor.port)
    return world


def test_a_control_master_that_the_user_has_is_used(
    own: World, factor: Sshd, password: str
) -> None:
    with own.at_a_terminal(["ssh", "-F", str(own.config_file), "hpc", "exit 0"]) as terminal:
        terminal.answer("Password: ", password)
        assert terminal.end()[0] == 0
    before = len(factor.accepted())
    with own.connect("hpc") as cluster:
        assert cluster_tasks.add(1, 2).get_result(TIMEOUT) == 3
    cluster.close()
    done = own.without_a_terminal(own.slurm_login("hpc"))
    assert (done.returncode, done.stderr) == (0, "")
    assert own.master("hpc", own.folder / "cm-dev"), "it is still there"
    assert not own.sockets.exists()
    assert len(factor.accepted()) == before


def test_a_login_is_one_for_the_users_own_ssh_too(
    own: World, factor: Sshd, log_in: Callable[..., str]
) -> None:
    log_in("hpc")
    before = len(factor.accepted())
    argv = ["ssh", "-F", str(own.config_file), "-o", "BatchMode=yes", "hpc", "id -un"]
    assert own.without_a_terminal(argv).stdout == "dev\n"
    assert own.connect("hpc").get_cluster_info()["partitions"]
    assert len(factor.accepted()) == before


def test_a_program_makes_no_master(world: World, slurm_cluster: DockerCluster) -> None:
    """Those of the user's sessions that went through it would end with the program."""
    port = slurm_cluster.access.known_hosts.read_text().partition("]:")[2].split()[0]
    world.configure(
        f"Host hpc\n  HostName 127.0.0.1\n  Port {port}\n"
        f"  ControlMaster auto\n  ControlPath {world.folder}/cm-%r\n  ControlPersist 60"
    )
    world.know(int(port))
    assert world.connect("hpc").get_cluster_info()["partitions"]
    assert not list(world.folder.glob("cm-*"))
