"""The connections that ``slurm login`` leaves open: where their sockets are, and which one fits.

A socket is in a folder that only its owner can enter, under a name made of where ssh goes: so every
client finds it, by whatever words it names the host. ssh itself is asked where that is (``ssh -G``),
but only if there is any socket at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import socket
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from slurm.api.ssh_command import PLAIN, SSHCommand, literal
from slurm.errors import ConfigError

NAME = re.compile(r"[0-9a-f]{16}")
NAME_LENGTH = 16
# A socket's path may have 103 bytes (macOS), and while ssh makes one it is 17 longer.
LONGEST_FOLDER = 103 - 17 - NAME_LENGTH - 1
PROBE_TIMEOUT = 10.0  # seconds for `ssh -G`, which may have to look up names


@dataclass(frozen=True)
class Destination:
    """Where ssh goes for a host, once all of ssh_config is read.

    - `control_path`: the socket that ssh_config names, empty if it names none.
    - `strict`: what ssh_config says of unknown host keys.
    """

    user: str
    hostname: str
    port: str
    via: str
    control_path: str
    strict: str

    @property
    def name(self) -> str:
        """What our socket is called; that of another machine that shares this home has another name."""
        words = (socket.gethostname(), self.user, self.hostname, self.port, self.via)
        return hashlib.sha256("\0".join(words).encode()).hexdigest()[:NAME_LENGTH]

    def __str__(self) -> str:
        return f"{self.user}@{self.hostname}" + ("" if self.port == "22" else f" port {self.port}")


def parse_destination(printed: str) -> Destination:
    """Read what ``ssh -G`` prints. Raises `ConfigError` if that is something else.

    >>> parse_destination("user me\\nhostname 10.0.0.1\\nport 22\\nproxyjump gate").via
    'gate'
    """
    said = dict(line.partition(" ")[::2] for line in printed.splitlines())
    known = {key: value for key, value in said.items() if value != "none"}
    if not {"user", "hostname", "port"} <= known.keys():
        raise ConfigError("ssh -G does not say where it goes: is it OpenSSH, 6.8 or newer?")
    return Destination(
        user=known["user"],
        hostname=known["hostname"],
        port=known["port"],
        via=" ".join(filter(None, (known.get("proxyjump"), known.get("proxycommand")))),
        control_path=known.get("controlpath", ""),
        strict=known.get("stricthostkeychecking", "ask"),
    )


def destination_of(command: SSHCommand) -> Destination:
    """Ask ssh where it goes. Raises `ConfigError` with ssh's words about its configuration."""
    done = _run(["ssh", "-G", *command.options, "--", command.hostname])
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise ConfigError(f"ssh -G {command.hostname}: {said[0].strip()}")
    return parse_destination(done.stdout)


def _run(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run an ssh that connects to nothing. Raises `ConfigError` if there is none, or it hangs."""
    try:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=PROBE_TIMEOUT,
            check=False,
        )
    except OSError as error:
        raise ConfigError(f"cannot run ssh: {error.strerror}. Is it on the PATH?") from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"{shlex.join(argv)} took more than {PROBE_TIMEOUT:g} s") from error


def folder(home: str, user_id: int) -> str:
    """Where the sockets of a user are: below `home`, or in /tmp where that makes too long a path.

    >>> folder("/home/me", 1000), folder("/" + "h" * 80, 1000)
    ('/home/me/.ssh/slurm-tasks', '/tmp/slurm-tasks-ssh-1000')
    """
    usual = os.path.join(home, ".ssh", "slurm-tasks")
    # ssh would look for variables in it, and no path of sockets is relative.
    usable = os.path.isabs(usual) and "$" not in usual
    if usable and len(os.fsencode(usual)) <= LONGEST_FOLDER:
        return usual
    return f"/tmp/slurm-tasks-ssh-{user_id}"  # noqa: S108 - see `flaw`: only if it is ours


def own_folder() -> str:
    """Where the sockets of this process's user are."""
    return folder(os.path.expanduser("~"), os.geteuid())


def flaw(path: str) -> str:
    """Why others might put a socket into the folder at `path`; empty if they cannot.

    Raises `OSError` if it is not there.
    """
    about = os.lstat(path)
    if not stat.S_ISDIR(about.st_mode):
        return f"{path} is not a directory"
    if about.st_uid != os.geteuid():
        return f"{path} belongs to another user"
    if about.st_mode & 0o077:
        return f"{path} is open to others: chmod 700 {path}"
    above = os.path.realpath(path)
    while above != "/":
        above = os.path.dirname(above)
        about = os.stat(above)
        replaceable = about.st_mode & 0o022 and not about.st_mode & stat.S_ISVTX
        if replaceable or about.st_uid not in (0, os.geteuid()):
            return f"others can replace {path}: they may write to {above}"
    return ""


def answers(path: str) -> bool:
    """Whether a process of ours listens at the socket `path`."""
    try:
        about = os.lstat(path)
        if not stat.S_ISSOCK(about.st_mode) or about.st_uid != os.geteuid():
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(PROBE_TIMEOUT)
            probe.connect(path)
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Master:
    """The connection to `destination` that carries those of later clients, whether it is open or not.

    `path` is its socket; `own` whether that is ours, else ssh_config names it.
    """

    command: SSHCommand
    destination: Destination
    path: str
    own: bool

    def __str__(self) -> str:
        return str(self.destination)

    def is_running(self) -> bool:
        """Whether it carries connections. Raises `ConfigError` for a socket that is not ours."""
        self._check()
        return answers(self.path) and self._tell("check")

    def exit(self) -> bool:
        """Close it; False if it was not open. Raises `ConfigError` as `is_running` does."""
        return self.is_running() and self._tell("exit")

    def prepare(self) -> None:
        """Make the folder of its socket, if it is ours. Raises `ConfigError` if that is not possible."""
        if self.own:
            where = os.path.dirname(self.path)
            try:
                for path in (os.path.dirname(where), where):
                    os.makedirs(path, mode=0o700, exist_ok=True)
            except OSError as error:
                raise ConfigError(f"cannot make {error.filename}: {error.strerror}") from error
            self._check()

    def argv(self, hours: int) -> list[str]:
        """The command line that opens it, asking on the terminal, and leaves it in the background.

        A session that ends at once, rather than none (``-N``): where ssh cannot make the socket, no
        process is left that nobody can find.
        """
        checked = "yes" if self.destination.strict in ("true", "yes") else "ask"
        argv = ["ssh", "-T", *self.command.options]
        for setting in (
            *("BatchMode=no", f"StrictHostKeyChecking={checked}", "ControlMaster=auto"),
            *(f"ControlPersist={hours}h", *PLAIN),
        ):
            argv += ["-o", setting]
        return [*argv, *self._socket, "--", self.command.hostname, "exit 0"]

    @property
    def _socket(self) -> list[str]:
        return ["-S", literal(self.path)] if self.own else []

    def _check(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self.own and (found := flaw(os.path.dirname(self.path))):
                raise ConfigError(found)
            if os.lstat(self.path).st_uid != os.geteuid():  # ssh would go through it all the same
                raise ConfigError(f"{self.path} belongs to another user: set ControlPath elsewhere")

    def _tell(self, what: str) -> bool:
        argv = ["ssh", *self.command.options, *self._socket, "-O", what]
        done = _run([*argv, "--", self.command.hostname])
        return done.returncode == 0


def master_for(command: SSHCommand) -> Master:
    """The connection for `command`: where ssh_config names a socket that one, else one of our own.

    Raises `ConfigError` with ssh's words about its configuration.
    """
    destination = destination_of(command)
    path = os.path.join(own_folder(), destination.name)
    chosen = destination.control_path or path
    return Master(command, destination, chosen, own=chosen == path)


def live_socket(command: SSHCommand) -> str:
    """The socket of a login that `command` can go through; empty if there is none.

    Takes microseconds where nobody has logged in, and never fails: without one, ssh connects itself.
    """
    where = own_folder()
    try:
        if not any(map(NAME.fullmatch, os.listdir(where))) or flaw(where):
            return ""
        destination = destination_of(command)
    except (OSError, ConfigError):  # connecting says what is wrong with the configuration
        return ""
    path = os.path.join(where, destination.name)
    # The user's own socket comes first, as with `slurm login`.
    return path if not destination.control_path and answers(path) else ""
