"""The command line of the system ``ssh``: everything the user's ssh_config says holds."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass

from slurm.api.transport import BOOTSTRAP
from slurm.config.checks import check_port, check_positive
from slurm.errors import ConfigError

# Without the ports and the command of the user's own sessions; a dead peer is noticed in a minute.
PLAIN = (
    *("ClearAllForwardings=yes", "RemoteCommand=none", "LogLevel=INFO"),
    *("ServerAliveInterval=15", "ServerAliveCountMax=4"),
)
# A program's connection never asks, never trusts a key that nobody has checked, and never becomes
# the master of the user's sessions, which would end with the program.
UNATTENDED = ("BatchMode=yes", "StrictHostKeyChecking=yes", "ControlMaster=no", *PLAIN)
# For what ssh starts on its own, such as the ssh to a jump host: it has no BatchMode. Versions
# before 8.4 know the second only.
NO_QUESTIONS = {"SSH_ASKPASS_REQUIRE": "never", "SSH_ASKPASS": "false"}


@dataclass(frozen=True)
class SSHCommand:
    """How one host is reached; see `SSHCommandBackend` for what the fields mean.

    Raises `ConfigError` for a host that is none, and for numbers that make no sense.
    """

    hostname: str
    username: str | None = None
    port: int | None = None
    identity_file: str | None = None
    known_hosts_file: str | None = None
    config_file: str | None = None
    connect_timeout: float = 30.0

    def __post_init__(self) -> None:
        name = self.hostname
        if not name or name.startswith("-") or any(c.isspace() for c in name):
            raise ConfigError(f"hostname {name!r} is not a host: give a name, address or alias")
        check_port("port", self.port)
        check_positive("connect_timeout", self.connect_timeout)

    @property
    def options(self) -> list[str]:
        """What the user gave beside the host, as options of ssh."""
        options = []
        if self.config_file:
            options += ["-F", os.path.expanduser(self.config_file)]
        if self.identity_file:
            options += ["-i", literal(self.identity_file), "-o", "IdentitiesOnly=yes"]
        if self.known_hosts_file:
            options += ["-o", f'UserKnownHostsFile="{literal(self.known_hosts_file)}"']
        if self.port:
            options += ["-p", str(self.port)]
        if self.username:
            options += ["-l", self.username]
        return options

    def argv(self, command: str, control_path: str = "", *, terminal: bool = False) -> list[str]:
        """The command line that runs `command` there, without ever prompting; with a `terminal` if it is to have one.

        `control_path` is the socket of a master that is to carry it; else ssh_config may name one.
        """
        argv = ["ssh", "-t" if terminal else "-T", *self.options]
        for setting in (*UNATTENDED, f"ConnectTimeout={max(1, round(self.connect_timeout))}"):
            argv += ["-o", setting]
        if control_path:
            argv += ["-S", literal(control_path)]
        return [*argv, "--", self.hostname, command]

    @property
    def login(self) -> str:
        """The command by which the user logs in here for all programs; it can be pasted."""
        words = ["slurm", "login", self.hostname]
        for option, value in (
            ("--username", self.username),
            ("--port", self.port),
            ("--identity-file", self.identity_file),
            ("--known-hosts-file", self.known_hosts_file),
            ("--config-file", self.config_file),
        ):
            if value:
                words += [option, os.path.expanduser(str(value))]
        return shlex.join(words)


def agent_command(python: str) -> str:
    """What the login shell there is told, so that `python` runs the agent."""
    home = '"$HOME"/' if python.startswith("~/") else ""
    program = home + shlex.quote(python[2:] if home else python)
    return f"exec {program} -u -c {shlex.quote(BOOTSTRAP)}"


def literal(path: str) -> str:
    """A path in which ssh finds nothing to expand: it reads ``%h`` and the like in file names."""
    return os.path.expanduser(path).replace("%", "%%")
