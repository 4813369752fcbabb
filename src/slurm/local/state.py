"""The state directory of a local scheduler: the one owner of its file names, and its socket's address."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Mapping
from typing import Any

from slurm.agent.files import write_atomic

# What client and daemon say to each other; a daemon may be older than its client.
PROTOCOL = 2
# The shortest limit among Unixes is 104 bytes (macOS), the closing NUL included.
LONGEST_ADDRESS = 103


class StateError(Exception):
    """The state directory cannot be used; the message is one line that says why."""


class StateDirectory:
    """Paths in a scheduler's state directory::

    daemon.lock     held by the daemon as long as it lives; says who it is
    start.lock      held by a client that starts a daemon
    scheduler.sock  where the daemon listens
    daemon.log      what the daemon has to say
    journal.jsonl   every job
    spool/ID.json   the environment of a live submission; gone when all of it has ended
    spool/ID.alive  a named pipe its supervisor holds open, which proves that it lives
    spool/ID.pid    written by the job's process just before it becomes the job
    spool/ID.status how it ended
    """

    def __init__(self, path: str) -> None:
        self.path: str = os.path.realpath(os.path.expanduser(path))
        self.spool: str = os.path.join(self.path, "spool")
        self.socket: str = os.path.join(self.path, "scheduler.sock")
        self.log: str = os.path.join(self.path, "daemon.log")
        self.journal: str = os.path.join(self.path, "journal.jsonl")
        self.daemon_lock: str = os.path.join(self.path, "daemon.lock")
        self.start_lock: str = os.path.join(self.path, "start.lock")

    def prepare(self) -> None:
        """Make sure of the directories, private to this user. Raises `StateError`."""
        try:
            _make_with_parents(self.path)
            names = set(os.listdir(self.path))
            first_made = os.path.basename(self.daemon_lock)
            if names and first_made not in names:
                raise StateError(f"{self.path} has other things in it; choose a new directory")
            _make_private(self.path, "choose another")
            os.close(os.open(self.daemon_lock, os.O_CREAT | os.O_CLOEXEC, 0o600))
            _make_with_parents(self.spool)
        except OSError as error:
            raise StateError(f"{error.filename}: {error.strerror}") from None

    def spooled(self, job_id: int, kind: str) -> str:
        """A job's file in the spool; `kind` is one of ``json``, ``alive``, ``pid``, ``status``."""
        return os.path.join(self.spool, f"{job_id}.{kind}")

    def read_spooled(self, job_id: int, kind: str) -> dict[str, Any] | None:
        """The JSON object in a job's spool file, None where there is no such file."""
        try:
            with open(self.spooled(job_id, kind), "rb") as file:
                content: dict[str, Any] = json.load(file)
        except FileNotFoundError:
            return None
        return content

    def write_spooled(self, job_id: int, kind: str, content: Mapping[str, Any]) -> None:
        """Write a job's spool file."""
        write_atomic(self.spooled(job_id, kind), json.dumps(content).encode())

    def forget_spooled(self, job_id: int, *kinds: str) -> None:
        """Remove files of a job from the spool."""
        for kind in kinds or ("json", "alive", "pid", "status"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.spooled(job_id, kind))

    def socket_address(self) -> str:
        """An address for the socket that is short enough for the kernel.

        A long path is reached through a link to the directory, in a directory of this user's under
        a temporary one. Every client makes the link it needs, so cleaning that away does no harm.
        Raises `StateError`.
        """
        if len(os.fsencode(self.socket)) <= LONGEST_ADDRESS:
            return self.socket
        import hashlib
        import tempfile

        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        problem = StateError(f"state directory {self.path}: its path is too long for a socket")
        for temporary in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - checked by _make_private
            link = os.path.join(temporary, f"slurm-tasks-{os.getuid()}", digest)
            address = os.path.join(link, os.path.basename(self.socket))
            if len(os.fsencode(address)) <= LONGEST_ADDRESS:
                try:
                    self._make_link(link)
                except StateError as error:
                    problem = error
                else:
                    return address
        raise problem

    def _make_link(self, link: str) -> None:
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(os.path.dirname(link), 0o700)
            _make_private(os.path.dirname(link), "set TMPDIR to another directory")
            while not (os.path.islink(link) and os.readlink(link) == self.path):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(link)
                with contextlib.suppress(FileExistsError):
                    os.symlink(self.path, link)
        except OSError as error:
            raise StateError(f"{error.filename}: {error.strerror}") from None


def _make_with_parents(path: str) -> None:
    """Make a directory, and those it lies in, private as well; ``os.makedirs`` would not make those so."""
    if not os.path.isdir(path):
        _make_with_parents(os.path.dirname(path))
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)


def _make_private(path: str, advice: str) -> None:
    """See to it that `path` is a directory of this user which nobody else can enter."""
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise StateError(f"{path} is not a directory of this user's own; {advice}")
    if status.st_mode & 0o077:
        os.chmod(path, 0o700)
