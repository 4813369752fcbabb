"""The backend for a laptop: Slurm at the other end of the user's own ``ssh``."""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from slurm import forks
from slurm.agent.commands import COMMAND_TIMEOUT
from slurm.agent.receipts import SUBMISSION_TURN
from slurm.api.agent_backend import AgentBackend
from slurm.api.connection import Connection
from slurm.api.ssh_command import NO_QUESTIONS, SSHCommand, agent_command
from slurm.api.ssh_master import live_socket
from slurm.api.transfers import Sink
from slurm.api.transport import Channel
from slurm.config.checks import check_positive
from slurm.errors import SlurmError, SubmissionUnknown, TransportError

REQUEST_TIMEOUT = 120.0
COURTESY_TIMEOUT = 2.0


class SSHCommandBackend(AgentBackend):
    """Sends the agent through the system ``ssh`` once, then asks it over that one channel.

    The user's ssh_config holds (aliases, ProxyJump, agents, certificates, ControlPath). Host keys are
    always checked, and nothing ever prompts: a login that would is an error that names `slurm login`.

    - `hostname`: a host or an alias of ssh_config; `username`, `port`: where ssh_config does not say.
    - `identity_file`, `known_hosts_file`, `config_file`: used in place of the user's own.
    - `python`: the interpreter to run the agent with.
    - `connect_timeout`: seconds until an unanswered connection is given up.
    - `reconnect_timeout`: seconds for which a request whose connection was lost waits for the next.

    A lost connection is made again, first at once, then after ever longer pauses. Requests in flight
    are repeated, which does nothing twice; a submission that cannot be repeated in time raises
    `SubmissionUnknown`. A login that is refused is not tried again. A forked child has a connection of its own.
    """

    def __init__(  # noqa: PLR0913 - they are keys of a Slurmfile
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
        reconnect_timeout: float = 300.0,
    ) -> None:
        check_positive("reconnect_timeout", reconnect_timeout)
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
        self._reconnect_timeout = reconnect_timeout
        self._closed = False
        self._connections = forks.Own(self._make_connection)

    @property
    def shares_filesystem(self) -> bool:
        return False

    @property
    def argv(self) -> list[str]:
        """The ssh command line this backend runs, by the connection of a ``slurm login`` if there is one."""
        return self.command.argv(agent_command(self.python), live_socket(self.command))

    def terminal_argv(self, command: str) -> list[str]:
        """The ssh command line that runs `command` in a terminal, by the connection of a ``slurm login`` if there is one."""
        return self.command.argv(command, live_socket(self.command), terminal=True)

    def request(self, op: str, params: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        """Every request may be repeated (submissions by their token), so a lost one is."""
        return self._request(op, params, blob)

    def request_into(self, op: str, params: dict[str, Any], sink: Sink) -> tuple[Any, int]:
        received = 0

        def take(offset: int, data: memoryview) -> None:
            nonlocal received
            received = offset + len(data)
            sink(offset, data)

        answer, _ = self._request(op, params, b"", take)
        return answer, received

    def _request(
        self, op: str, params: dict[str, Any], blob: bytes, sink: Sink | None = None
    ) -> tuple[Any, bytes]:
        timeout = _timeout_of(op, params)
        sent: list[str] = []

        def question(channel: Channel) -> tuple[Any, bytes]:
            return channel.request(
                op, params, blob, timeout, sending=lambda: sent.append(op), sink=sink
            )

        try:
            return self._connections.get().ask(question)
        except TransportError as error:
            if op != "submit":
                raise
            if not sent:
                raise type(error)(f"nothing was submitted: {error}") from None
            raise SubmissionUnknown(f"the answer was lost: {error}") from None

    def write_file(self, path: str, content: bytes, *, exclusive: bool = False) -> bool:
        if not exclusive:
            return super().write_file(path, content)
        # Repeated, the request would find the file that it wrote itself, if it left nothing beside it.
        claim = f".{os.urandom(8).hex()}"
        params = {"path": path, "exclusive": True, "claim": claim}
        written = bool(self.request("write", params, content)[0])
        if written:
            self.discard(posixpath.join(posixpath.dirname(path), claim))
        return written

    def discard(self, path: str) -> None:
        channel = self._connections.get().current
        if channel is not None:  # no connection is made for a courtesy
            with contextlib.suppress(SlurmError):
                channel.request("remove", {"path": path}, b"", COURTESY_TIMEOUT)

    def note_ends(self, ends: Sequence[Mapping[str, str]]) -> None:
        channel = self._connections.get().current
        if channel is not None:
            params = {"ends": [dict(end) for end in ends]}
            channel.request("note_ends", params, b"", COURTESY_TIMEOUT)

    def close(self) -> None:
        self._closed = True
        self._connections.get().close()

    def _make_connection(self) -> Connection:
        connection = Connection(
            self._channel,
            target=self.command.hostname,
            reconnect_timeout=self._reconnect_timeout,
        )
        connection.closed = self._closed
        return connection

    def _channel(self) -> Channel:
        return Channel(
            self.argv,
            target=self.command.hostname,
            connect_timeout=self.command.connect_timeout,
            login=self.command.login,
            environment=NO_QUESTIONS,
        )


def _timeout_of(op: str, params: Mapping[str, Any]) -> float:
    """Seconds for an agent that is there to answer; a request with a `timeout` of its own has that as well."""
    if op == "submit":  # looks for a lost job are the longest of it
        each = COMMAND_TIMEOUT * len(params["requests"])
        return REQUEST_TIMEOUT + SUBMISSION_TURN + 3 * COMMAND_TIMEOUT + each
    return REQUEST_TIMEOUT + float(params.get("timeout", 0.0))
