"""Reaching the local scheduler's daemon: starting it on demand, asking it, seeing it gone."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slurm.agent.locks import Locked
from slurm.local.state import SCHEDULER_MARK, StateDirectory, StateError

ANSWER_TIMEOUT = 60.0  # seconds for one request
START_TIMEOUT = 30.0  # seconds for a daemon to be ready
ATTEMPTS = 5
LARGEST_LOG = 1_000_000  # bytes
# Isolated: neither the user's Python settings nor site-packages, only the standard library and us.
# Nothing that is imported is garbage.
BOOT = (
    "import gc, sys; gc.disable(); sys.path.insert(0, sys.argv.pop(1)); "
    "from slurm.local.daemon import main; sys.exit(main(sys.argv[1:]))"
)
# All the daemon gets of its first client's environment; jobs get that of the client they are from.
DAEMON_VARIABLES = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
)


class Unreachable(Exception):
    """The daemon gave no answer; the message is one line, `sent` whether it may have heard us."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class DaemonClient:
    """A way to the daemon of `state`; `settings` are for one that has to be started.

    Every request is one connection, so this may be used by several threads and across a fork.
    """

    def __init__(self, state: StateDirectory, settings: Mapping[str, Any]) -> None:
        self.state = state
        self.settings = settings

    def ask(self, request: bytes) -> bytes:
        """The answer to one line, which the daemon may get twice. Raises `Unreachable`."""
        sent = False
        problem: object = "it hung up"
        for _ in range(ATTEMPTS):
            try:
                with self._connect() as connection:
                    sent = True
                    connection.sendall(request)
                    return _read_line(connection)
            except (FileNotFoundError, ConnectionRefusedError):
                self._start(sent)
            except socket.timeout:
                message = f"the local scheduler gave no answer in {ANSWER_TIMEOUT:.0f} s"
                raise Unreachable(f"{message}; see {self.state.log}", sent=sent) from None
            except StateError as error:
                raise Unreachable(str(error), sent=sent) from None
            except OSError as error:
                problem = error
                if error.errno == errno.ELOOP:  # what stands there is no socket
                    self._start(sent)
        message = f"the local scheduler gave no answer ({problem}); see {self.state.log}"
        raise Unreachable(message, sent=sent)

    def is_running(self) -> bool:
        """Whether a daemon listens. Raises `StateError` where none could."""
        try:
            self._connect().close()
        except OSError:
            return False
        return True

    def await_end(self, seconds: float) -> bool:
        """Wait until no daemon holds the state directory; False when one still does after `seconds`."""
        deadline = time.monotonic() + seconds
        try:
            lock = os.open(self.state.daemon_lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            while time.monotonic() < deadline:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
                except BlockingIOError:
                    time.sleep(0.005)
            return False
        finally:
            os.close(lock)

    def _connect(self) -> socket.socket:
        address = self.state.socket_address()
        deadline = time.monotonic() + ANSWER_TIMEOUT
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(ANSWER_TIMEOUT)
            try:
                connection.connect(address)
            except BlockingIOError:  # Linux: more clients wait to be accepted than it queues
                connection.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            except BaseException:
                connection.close()
                raise
            else:
                return connection

    def _start(self, sent: bool) -> None:
        try:
            self.state.prepare()
            with Locked(self.state.start_lock):
                problem = "" if self.is_running() else self._launch()
        except (StateError, OSError) as error:
            problem = str(error)
        if problem:
            raise Unreachable(f"the local scheduler did not start: {problem}", sent=sent)

    def _launch(self) -> str:
        """Start a daemon and wait until it listens; says why it does not, nothing when it does."""
        if not sys.executable:
            return "there is no Python interpreter to run it with (sys.executable is empty)"
        if os.path.exists(self.state.log) and os.path.getsize(self.state.log) > LARGEST_LOG:
            os.replace(self.state.log, f"{self.state.log}.1")
        ready, write_end = os.pipe()
        with open(ready, "rb", buffering=0) as pipe:
            try:
                process = self._spawn(write_end)
            finally:
                os.close(write_end)
            with process:  # which only forks the daemon
                if not select.select([pipe], [], [], START_TIMEOUT)[0]:
                    process.kill()
                    return f"no answer within {START_TIMEOUT:.0f} s"
                said = pipe.read(4096)
        if said == b"ready":
            return ""
        return said.decode("utf-8", "replace") or f"see {self.state.log}"

    def _spawn(self, ready: int) -> subprocess.Popen[bytes]:
        root = str(Path(__file__).resolve().parents[2])
        arguments = [root, self.state.path, str(ready), json.dumps(self.settings)]
        with open(self.state.log, "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", BOOT, *arguments],
                cwd="/",
                env={**_daemon_environment(), SCHEDULER_MARK: "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(ready,),
                start_new_session=True,
            )


def _daemon_environment() -> dict[str, str]:
    return {key: os.environ[key] for key in DAEMON_VARIABLES if key in os.environ}


def _read_line(connection: socket.socket) -> bytes:
    """Bytes up to the line break. Raises ConnectionError when the other side hangs up before."""
    parts: list[bytes] = []
    while not (parts and parts[-1].endswith(b"\n")):
        parts.append(connection.recv(1 << 18))
        if not parts[-1]:
            raise ConnectionResetError("it hung up")
    return b"".join(parts)
