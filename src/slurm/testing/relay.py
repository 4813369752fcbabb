"""A port of this machine that leads into a container, through the engine: for an engine that is another machine.

Its ports are on that machine's 127.0.0.1. It lives as long as the process that made it.
"""

from __future__ import annotations

import socketserver
import subprocess
import threading
from collections.abc import Sequence


class Relay(socketserver.ThreadingTCPServer):
    """Runs `command` for each connection, which is its stdin and its stdout."""

    daemon_threads = True

    def __init__(self, command: Sequence[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.command: Sequence[str] = command
        threading.Thread(target=self.serve_forever, name="slurm-relay", daemon=True).start()

    @property
    def port(self) -> int:
        """Where on 127.0.0.1 it is reached."""
        return int(self.server_address[1])

    def close(self) -> None:
        """Take no more connections."""
        self.shutdown()
        self.server_close()


class _Connection(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        connection = self.request
        subprocess.run(
            self.server.command,
            stdin=connection,
            stdout=connection,
            stderr=subprocess.DEVNULL,
            check=False,
        )
