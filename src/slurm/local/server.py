"""A line server on a Unix socket: one JSON request per line, one JSON answer per line.

Answers are held back until `flush`, so that the owner can make durable what they promise.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import selectors
import socket
from collections.abc import Callable, Mapping
from typing import Any

from slurm.agent.directories import remove

LONGEST_REQUEST = 32 * 1024 * 1024
BACKLOG = 512

Handler = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class ClientConnection:
    """One client: what it has sent so far, and what it is still to be told."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.incoming: bytearray = bytearray()
        self.outgoing: bytearray = bytearray()
        self.finished = False


class LineServer:
    """Serves `handle` at `address`, which is the file `path`, for the owner of `selector`.

    Every key's data in the selector is a function to call when its file is ready. `served` tells
    whether there has been a client yet.
    """

    def __init__(
        self, selector: selectors.BaseSelector, address: str, path: str, handle: Handler
    ) -> None:
        self.connections: dict[int, ClientConnection] = {}
        self.served: bool = False
        self._selector = selector
        self._path = path
        self._handle = handle
        remove(path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(address)
        os.chmod(path, 0o600)
        self._identity = _identity(path)
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Stop listening and hang up on everybody, once they have been told what was for them."""
        if _identity(self._path) == self._identity:  # unless the directory was made anew
            os.unlink(self._path)
        self._selector.unregister(self._listener)
        self._listener.close()
        for connection in list(self.connections.values()):
            connection.peer.settimeout(1.0)
            with contextlib.suppress(OSError):
                connection.peer.sendall(connection.outgoing)
            self._hang_up(connection)

    def flush(self) -> None:
        """Send what clients are to be told, as far as they take it now."""
        for connection in list(self.connections.values()):
            if connection.outgoing or connection.finished:
                self._send(connection)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            peer, _ = self._listener.accept()
            peer.setblocking(False)
            self.served = True
            connection = ClientConnection(peer)
            self.connections[peer.fileno()] = connection
            receive = functools.partial(self._receive, connection)
            self._selector.register(peer, selectors.EVENT_READ, receive)

    def _watch(self, connection: ClientConnection, events: int) -> None:
        key = self._selector.get_key(connection.peer)
        if key.events != events:
            self._selector.modify(connection.peer, events, key.data)

    def _receive(self, connection: ClientConnection) -> None:
        try:
            data = connection.peer.recv(1 << 18)
        except BlockingIOError:  # ready to be written to, which flush does
            return
        except ConnectionError:
            data = b""
        connection.incoming += data
        *lines, rest = connection.incoming.split(b"\n")
        connection.incoming = rest
        for line in lines:
            connection.outgoing += json.dumps(self._answer(line)).encode() + b"\n"
        if not data or len(rest) > LONGEST_REQUEST:
            connection.finished = True

    def _answer(self, line: bytearray) -> Mapping[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            return {"error": "a request is a JSON object on one line", "kind": "protocol"}
        return self._handle(request)

    def _send(self, connection: ClientConnection) -> None:
        try:
            sent = connection.peer.send(connection.outgoing) if connection.outgoing else 0
        except BlockingIOError:
            sent = 0
        except ConnectionError:
            self._hang_up(connection)
            return
        del connection.outgoing[:sent]
        if connection.outgoing and connection.finished:
            self._watch(connection, selectors.EVENT_WRITE)
        elif connection.outgoing:
            self._watch(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
        elif connection.finished:
            self._hang_up(connection)
        else:
            self._watch(connection, selectors.EVENT_READ)

    def _hang_up(self, connection: ClientConnection) -> None:
        self._selector.unregister(connection.peer)
        del self.connections[connection.peer.fileno()]
        connection.peer.close()


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
