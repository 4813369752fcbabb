"""The state directory of a local scheduler: the one owner of its file names, and its socket's address."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable, Mapping
from typing import Any

from slurm.agent.directories import remove
from slurm.agent.files import sync_folder, unique_name, write_atomic
from slurm.agent.json_files import parse_object
from slurm.agent.regular_files import open_regular
from slurm.local.shapes import check_spooled, is_count

# What client and daemon say to each other; a daemon may be older than its client.
PROTOCOL = 2
# The shortest limit among Unixes is 104 bytes (macOS), the closing NUL included.
LONGEST_ADDRESS = 103
# The environment of the daemon and of every supervisor says so. A job may start a daemon.
SCHEDULER_MARK = "SLURM_SDK_LOCAL_SCHEDULER"
LARGEST_SPOOLED = 64 << 20  # bytes
# A status is written into room that was there before the job began: a full disk cannot lose it.
STATUS_SIZE = 1024
EMPTY = "it is empty"
LONGEST_COMPLAINT = 400  # bytes of it


class StateError(Exception):
    """The state directory cannot be used; the message is one line that says why."""


class DamagedFile(Exception):
    """A file of one job does not say what it should; the message is one line that names it and says why."""


class StateDirectory:
    """Paths in a scheduler's state directory::

    daemon.lock     held by the daemon as long as it lives; says who it is
    start.lock      held by a client that starts a daemon
    scheduler.sock  where the daemon listens
    daemon.log      what the daemon has to say
    journal.jsonl   every job
    ids             an upper bound of the ids that were given, for a day when the journal is damaged
    spool/ID.json   a live submission, and its environment; gone when all of it has ended
    spool/ID.alive  a named pipe its supervisor holds open, which proves that it lives
    spool/ID.pid    written by the job's process just before it becomes the job
    spool/ID.status how it ended; blank until then

    What is none of these but stands in the place of one is set aside, as ``daemon.log.damaged-...``.
    """

    def __init__(self, path: str) -> None:
        self.path: str = os.path.realpath(os.path.expanduser(path))
        self.spool: str = os.path.join(self.path, "spool")
        self.socket: str = os.path.join(self.path, "scheduler.sock")
        self.log: str = os.path.join(self.path, "daemon.log")
        self.journal: str = os.path.join(self.path, "journal.jsonl")
        self.ids: str = os.path.join(self.path, "ids")
        self.daemon_lock: str = os.path.join(self.path, "daemon.lock")
        self.start_lock: str = os.path.join(self.path, "start.lock")

    def prepare(self) -> None:
        """Make sure of the directories, private to this user. Raises `StateError`."""
        try:
            _make_with_parents(self.path)
            names = set(os.listdir(self.path))
            # The lock is made first; what clears old files away takes that, for nobody ever writes to it.
            own = {os.path.basename(path) for path in (self.daemon_lock, self.journal)}
            if names and not names & own:
                raise StateError(f"{self.path} has other things in it; choose a new directory")
            _make_private(self.path, "choose another")
            for path in (self.daemon_lock, self.start_lock, self.log):
                _set_aside_unless(stat.S_ISREG, path)
            _set_aside_unless(stat.S_ISDIR, self.spool)
            os.close(os.open(self.daemon_lock, os.O_CREAT | os.O_CLOEXEC, 0o600))
            _make_with_parents(self.spool)
        except OSError as error:
            raise StateError(f"{error.filename}: {error.strerror}") from None

    def spooled(self, job_id: int, kind: str) -> str:
        """A job's file in the spool; `kind` is one of ``json``, ``alive``, ``pid``, ``status``."""
        return os.path.join(self.spool, f"{job_id}.{kind}")

    def read_spooled(self, job_id: int, kind: str) -> dict[str, Any] | None:
        """The JSON object in a job's spool file, None where there is no such file, or it is still blank.

        Raises `DamagedFile`.
        """
        path = self.spooled(job_id, kind)
        try:
            with open_regular(path) as file:
                data = file.read(LARGEST_SPOOLED + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DamagedFile(f"{path}: {error.strerror}") from None
        if kind == "status" and data == BLANK:
            return None
        try:
            if not data.strip(b"\0 \n"):
                raise ValueError(EMPTY)
            content = parse_object(data)
            check_spooled(kind, content)
        except ValueError as error:
            raise DamagedFile(f"{path} is damaged: {error}") from None
        return content

    def write_spooled(self, job_id: int, kind: str, content: Mapping[str, Any]) -> None:
        """Write a job's spool file."""
        write_atomic(self.spooled(job_id, kind), json.dumps(content).encode())

    def sync_spool(self) -> None:
        """Have the files that were written to the spool survive a crash of the machine."""
        sync_folder(self.spool)

    def reserve_status(self, job_id: int) -> None:
        """Take the room for the note how a job ended. Raises OSError."""
        path = self.spooled(job_id, "status")
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, BLANK)
        except OSError as error:
            error.filename = path
            raise
        finally:
            os.close(handle)

    def forget_spooled(self, job_id: int, *kinds: str) -> None:
        """Remove files of a job from the spool. Raises OSError."""
        for kind in kinds or ("json", "alive", "pid", "status"):
            remove(self.spooled(job_id, kind))

    def ids_given(self) -> int:
        """An upper bound of the ids that were given, 0 where that is not known."""
        try:
            with open_regular(self.ids) as file:
                number = int(file.read(100))
        except (OSError, ValueError):
            return 0
        return number if is_count(number) else 0

    def note_ids(self, bound: int) -> None:
        """Note that no larger id is given. Raises OSError."""
        write_atomic(self.ids, b"%d\n" % bound)

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


BLANK = b" " * (STATUS_SIZE - 1) + b"\n"


def write_status(path: str, status: Mapping[str, Any]) -> None:
    """Note how a job ended, in the room there is for that. Raises OSError."""
    said = status["error"].encode("utf-8", "replace")[:LONGEST_COMPLAINT].decode("utf-8", "ignore")
    status = {**status, "error": "".join(one if one.isprintable() else "?" for one in said)}
    data = json.dumps(status, ensure_ascii=False).encode()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    try:
        os.pwrite(handle, data.ljust(STATUS_SIZE - 1) + b"\n", 0)
        os.fsync(handle)
    finally:
        os.close(handle)


def _set_aside_unless(is_right: Callable[[int], bool], path: str) -> None:
    """Rename what stands at `path` and is not of the right kind, which nobody of ours has made."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not is_right(mode):
        os.rename(path, f"{path}.damaged-{unique_name()}")


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
