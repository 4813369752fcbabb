"""The local scheduler's daemon: one event loop per state directory.

Everything is an event: a request, the end of a supervisor, a signal. What a client is told has been
written to the journal before. Jobs outlive the daemon; the next one adopts them.

Run as ``python -m slurm.local.daemon STATE_DIR READY_FD SETTINGS`` by `LocalScheduler`, with
the settings as JSON; it says ``ready`` through the file descriptor, or why it cannot be.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import selectors
import signal
import sys
import time

from slurm.local.journal import JournalError
from slurm.local.linux_calls import c_library
from slurm.local.operations import Operations
from slurm.local.processes import Processes
from slurm.local.server import LineServer
from slurm.local.service import Service, Settings
from slurm.local.state import StateDirectory, StateError

# Seconds to wait for an earlier daemon, which may just be leaving, to let go of the lock.
LOCK_WAIT = 15.0
# Seconds a new daemon waits at least: somebody has started it to ask something.
FIRST_CLIENT_WAIT = 10.0


class Daemon:
    """The event loop around a `Service`. Every key's data in the selector is a function to call."""

    def __init__(self, state: StateDirectory, settings: Settings) -> None:
        self.settings = settings
        c_library()
        self.selector: selectors.BaseSelector = selectors.DefaultSelector()
        self.service: Service = Service(state, settings, log)
        self.processes: Processes = Processes(state, self.selector, self.service.ended, log)
        self.service.recover(self.processes)
        self.service.settle()
        address = state.socket_address()
        handle = Operations(self.service).handle
        self.server: LineServer = LineServer(self.selector, address, state.socket, handle)
        wakeup, write_end = os.pipe()
        self.wakeup: int = wakeup
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end)
        self.selector.register(self.wakeup, selectors.EVENT_READ, self._signalled)
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def run(self) -> None:
        """Serve until told to stop, or nobody has wanted anything for `idle_timeout`."""
        idle_since = time.monotonic()
        while not self.service.done:
            timeout = None
            start = self.service.next_start
            if start is not None:
                timeout = max(0.0, start - time.monotonic())
            if self.service.busy or self.server.connections:
                idle_since = time.monotonic()
            else:
                idle_timeout = self.settings.idle_timeout
                if not self.server.served:
                    idle_timeout = max(idle_timeout, FIRST_CLIENT_WAIT)
                timeout = idle_since + idle_timeout - time.monotonic()
                if timeout <= 0:
                    break
            for key, _ in self.selector.select(timeout):
                key.data()
            self.service.settle()
            self.server.flush()
        self.server.close()

    def _signalled(self) -> None:
        if signal.SIGTERM in os.read(self.wakeup, 4096):
            self.service.stop(kill_jobs=False)


def main(arguments: list[str]) -> int:
    """Become the daemon of a state directory; the process that was started ends at once."""
    if os.fork():  # nobody's child: the client that started it need not wait for its end
        os._exit(0)
    gc.freeze()
    gc.enable()
    path, ready, settings = arguments[0], int(arguments[1]), Settings(**json.loads(arguments[2]))
    os.umask(0o077)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    state = StateDirectory(path)
    lock = os.open(state.daemon_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _take(lock):
            raise StateError(f"{state.daemon_lock} is held by {_holder(lock)}")
        daemon = Daemon(state, settings)
    except (StateError, JournalError, OSError) as error:
        log(f"not started: {error}")
        os.write(ready, str(error).encode("utf-8", "replace"))
        return 1
    os.write(ready, b"ready")
    os.close(ready)
    log("started")
    try:
        daemon.run()
    except OSError as error:  # a full disk, say: jobs go on, and clients are told nothing untrue
        log(f"ended: {error}")
        return 1
    log("ended")
    return 0


def log(message: str) -> None:
    """A line for the log, which is what standard error has been made to be."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    with contextlib.suppress(OSError):  # on a full disk nothing depends on it
        sys.stderr.write(f"{moment} {os.getpid()} {message}\n")
        sys.stderr.flush()


def _take(lock: int) -> bool:
    deadline = time.monotonic() + LOCK_WAIT
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        else:
            with contextlib.suppress(OSError):  # for people, and not on a full disk
                os.ftruncate(lock, 0)
                os.pwrite(lock, f"pid {os.getpid()} on {os.uname().nodename}\n".encode(), 0)
            return True


def _holder(lock: int) -> str:
    return os.pread(lock, 4096, 0).decode("utf-8", "replace").strip() or "nobody known"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
