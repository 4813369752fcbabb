"""The command line of the system ``ssh``: everything the user's ssh_config says holds."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass

from slurm.api.transport import BOOTSTRAP
from slurm.checks import check_port, check_positive
from slurm.errors import ConfigError


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

    def argv(self, command: str) -> list[str]:
        """The command line that runs `command` there, without ever prompting."""
        argv = ["ssh", "-T"]
        if self.config_file:
            argv += ["-F", os.path.expanduser(self.config_file)]
        argv += ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
        argv += ["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"]
        argv += ["-o", f"ConnectTimeout={max(1, round(self.connect_timeout))}"]
        if self.identity_file:
            argv += ["-i", _literal(self.identity_file), "-o", "IdentitiesOnly=yes"]
        if self.known_hosts_file:
            argv += ["-o", f'UserKnownHostsFile="{_literal(self.known_hosts_file)}"']
        if self.port:
            argv += ["-p", str(self.port)]
        if self.username:
            argv += ["-l", self.username]
        return [*argv, "--", self.hostname, command]


def agent_command(python: str) -> str:
    """What the login shell there is told, so that `python` runs the agent."""
    home = '"$HOME"/' if python.startswith("~/") else ""
    program = home + shlex.quote(python[2:] if home else python)
    return f"exec {program} -u -c {shlex.quote(BOOTSTRAP)}"


def _literal(path: str) -> str:
    """A path in which ssh finds nothing to expand: it reads ``%h`` and the like in file names."""
    return os.path.expanduser(path).replace("%", "%%")
