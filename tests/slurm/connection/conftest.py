"""A user's world: a home, an ssh_config, known hosts; and hosts that are harder to reach than the cluster's own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from connection.sshd import Sshd, sshd
from connection.terminal import Terminal
from slurm import Cluster
from slurm.testing import DockerCluster
from slurm.testing.shape import BASTION, LOGIN
from slurm.testing.starting import SECOND_FACTOR


class World:
    """What a user has on the laptop, in `folder`; `connect` makes clients that read it."""

    def __init__(self, folder: Path, docker: DockerCluster) -> None:
        self.folder: Path = folder
        self.key: Path = docker.access.identity_file
        # All login nodes of the cluster have the same one.
        self.host_key: str = docker.access.known_hosts.read_text().partition(" ")[2].strip()
        self.environment: Mapping[str, str] = os.environ
        self.config_file: Path = folder / "config"
        self.known_hosts: Path = folder / "known_hosts"
        self.known_hosts.touch()
        self.clients: list[Cluster] = []

    def configure(self, text: str) -> None:
        """Write the ssh_config: `text`, and for all hosts the user, the key and the known hosts."""
        self.config_file.write_text(
            f"{text}\nHost *\n  User dev\n  IdentityFile {self.key}\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {self.known_hosts}\n  GlobalKnownHostsFile /dev/null\n"
        )

    def know(self, *names: str | int, key: str = "") -> None:
        """Have host keys in known_hosts: of hosts, or of ports on 127.0.0.1."""
        with self.known_hosts.open("a") as file:
            for name in names:
                host = f"[127.0.0.1]:{name}" if isinstance(name, int) else name
                file.write(f"{host} {key or self.host_key}\n")

    def connect(self, hostname: str, **options: Any) -> Cluster:
        """A client, which is closed after the test."""
        options = {"config_file": str(self.config_file), **options}
        self.clients.append(Cluster("ssh", hostname=hostname, **options))
        return self.clients[-1]

    def slurm_login(self, *arguments: str) -> list[str]:
        """The command line of `slurm login`."""
        config = [] if "--config-file" in arguments else ["--config-file", str(self.config_file)]
        return [sys.executable, "-m", "slurm.cli", "login", *arguments, *config]

    def at_a_terminal(self, argv: list[str]) -> Terminal:
        """Run `argv` where ssh can ask."""
        return Terminal(argv, self.environment)

    def without_a_terminal(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        """Run `argv` as cron or a CI job does."""
        return subprocess.run(
            argv,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            start_new_session=True,
            check=False,
        )

    def master(self, host: str, socket: Path | None = None) -> int:
        """The process id of the master of `slurm login`, or of that at `socket`; 0 if there is none."""
        path = socket or next(self.sockets.glob("*"), self.sockets / "none")
        argv = ["ssh", "-F", str(self.config_file), "-S", str(path), "-O", "check", host]
        said = subprocess.run(argv, capture_output=True, text=True, check=False).stderr
        return int(said.partition("pid=")[2].partition(")")[0] or 0)

    @property
    def sockets(self) -> Path:
        """Where `slurm login` puts its sockets."""
        return self.folder / ".ssh" / "slurm-tasks"

    def leave(self) -> None:
        """Close the clients, and the masters whose sockets are here."""
        for client in self.clients:
            client.close()
        for path in [*self.sockets.glob("*"), *self.folder.glob("cm-*")]:
            argv = ["ssh", "-F", "/dev/null", "-S", str(path), "-O", "exit", "any"]
            subprocess.run(argv, capture_output=True, check=False)


@pytest.fixture
def world(slurm_cluster: DockerCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A user who has no agent and no window, in a home with a path as short as those of users are."""
    with tempfile.TemporaryDirectory(prefix="w-", dir="/tmp") as home:
        monkeypatch.setenv("HOME", home)
        for name in ("SSH_AUTH_SOCK", "DISPLAY", "WAYLAND_DISPLAY"):
            monkeypatch.delenv(name, raising=False)
        made = World(Path(home), slurm_cluster)
        with contextlib.closing(contextlib.ExitStack()) as stack:
            stack.callback(made.leave)
            yield made


@pytest.fixture(scope="session")
def behind(slurm_cluster: DockerCluster) -> str:
    """The cluster's login node, by a name that only its other containers know, and to which the bastion leads."""
    return LOGIN


@pytest.fixture(scope="session")
def gate(slurm_cluster: DockerCluster) -> Iterator[Sshd]:
    """A bastion: it runs nothing, and lets nobody through but to the login node."""
    with sshd(slurm_cluster, BASTION) as host:
        yield host


@pytest.fixture(scope="session")
def node(slurm_cluster: DockerCluster) -> Iterator[Sshd]:
    """A login node with a banner before the login, and a message of the day after it."""
    with sshd(slurm_cluster, words="talking") as host:
        for path in ("/etc/ssh/banner", "/etc/motd"):
            host.run("tee", path, stdin="*** Permission denied to strangers ***\n\x1b[1mWelcome!\n")
        yield host


@pytest.fixture(scope="session")
def factor(slurm_cluster: DockerCluster) -> Iterator[Sshd]:
    """A login node that asks for a password after the key."""
    with sshd(slurm_cluster, words="second-factor", config="MaxSessions 3\n") as host:
        yield host


@pytest.fixture(scope="session")
def password(factor: Sshd) -> str:
    """The second factor, made for this cluster."""
    return factor.run("cat", SECOND_FACTOR).strip()
