"""The backend for a laptop: Slurm at the other end of the user's own ``ssh``."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from slurm.api.agent_backend import AgentBackend
from slurm.api.ssh_command import NO_QUESTIONS, SSHCommand, agent_command
from slurm.api.ssh_master import live_socket
from slurm.api.transport import Channel
from slurm.errors import SlurmError, TransportError

REQUEST_TIMEOUT = 120.0
COURTESY_TIMEOUT = 2.0
RECONNECT_DELAYS = (0.0, 0.5, 2.0)


class SSHCommandBackend(AgentBackend):
    """Sends the agent through the system ``ssh`` once, then asks it over that one channel.

    The user's ssh_config holds (aliases, ProxyJump, agents, certificates, ControlPath). Host keys are
    always checked, and nothing ever prompts: a login that would is an error that names `slurm login`.

    - `hostname`: a host or an alias of ssh_config; `username`, `port`: where ssh_config does not say.
    - `identity_file`, `known_hosts_file`, `config_file`: used in place of the user's own.
    - `python`: the interpreter to run the agent with.
    - `connect_timeout`: seconds until an unanswered connection is given up.
    """

    def __init__(
        self,
        *,
        hostname: str,
        username: str | None = None,
        port: int | None = None,
        identity_file: str | None = None,
        known_hosts_file: str | None = None,
        config_file: str | None = None,
        python: str = "python3",
        connect_timeout: float = 30.0,
    ) -> None:
        self.command: SSHCommand = SSHCommand(
            hostname=hostname,
            username=username,
            port=port,
            identity_file=identity_file,
            known_hosts_file=known_hosts_file,
            config_file=config_file,
            connect_timeout=connect_timeout,
        )
        self.python = python
        self._channel: Channel | None = None
        self._connecting = threading.Lock()
        self._closed = False

    @property
    def shares_filesystem(self) -> bool:
        return False

    @property
    def argv(self) -> list[str]:
        """The ssh command line this backend runs, by the connection of a ``slurm login`` if there is one."""
        return self.command.argv(agent_command(self.python), live_socket(self.command))

    def request(self, op: str, params: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        """Every request may be repeated (submissions by their token), so a lost one is.

        One with a `timeout` of its own is given that much longer.
        """
        timeout = REQUEST_TIMEOUT + params.get("timeout", 0.0)
        for delay in RECONNECT_DELAYS:
            channel = self._connected()
            try:
                return channel.request(op, params, blob, timeout)
            except TransportError:
                if channel.alive or self._closed:
                    raise
            time.sleep(delay)
        return self._connected().request(op, params, blob, timeout)

    def discard(self, path: str) -> None:
        channel = self._channel
        if channel is not None and channel.alive:  # no connection is made for a courtesy
            with contextlib.suppress(SlurmError):
                channel.request("remove", {"path": path}, b"", COURTESY_TIMEOUT)

    def note_ends(self, ends: Sequence[Mapping[str, str]]) -> None:
        channel = self._channel
        if channel is not None and channel.alive:
            params = {"ends": [dict(end) for end in ends]}
            channel.request("note_ends", params, b"", COURTESY_TIMEOUT)

    def close(self) -> None:
        with self._connecting:
            self._closed = True
            if self._channel is not None:
                self._channel.close()
                self._channel = None

    def _connected(self) -> Channel:
        with self._connecting:
            if self._closed:
                raise TransportError(f"this connection to {self.command.hostname} was closed")
            if self._channel is None or not self._channel.alive:
                self._channel = Channel(
                    self.argv,
                    target=self.command.hostname,
                    connect_timeout=self.command.connect_timeout,
                    login=self.command.login,
                    environment=NO_QUESTIONS,
                )
            return self._channel
