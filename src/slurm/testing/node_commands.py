"""Commands and files on the machines of a dockerised cluster, through the engine or through ssh: one interface for both."""

from __future__ import annotations

import abc
import posixpath
import secrets
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from slurm.testing.errors import ClusterError
from slurm.testing.login import answering
from slurm.testing.shape import USER

if TYPE_CHECKING:
    from slurm.testing.docker_cluster import DockerCluster

# A process notes its number, which is that of its group as well, before it becomes the command: so all of it can be ended there.
NOTED = ["setsid", "--wait", "sh", "-c", 'echo $$ >"$0" && exec "$@"']
ENDED = 'kill -TERM "-$(cat "$0")" 2>/dev/null; rm -f "$0"'
GRACE = 30.0  # seconds for a command to end that was told to
WRITTEN = 'mkdir -p -- "$(dirname -- "$0")" && cat >"$0.$$" && mv -f -- "$0.$$" "$0"'


class Commands(abc.ABC):
    """Runs commands on one of the cluster's machines, the login node unless another one is named with `on`.

    A command is a list of words, which no shell reads, or a text, which ``bash -c`` runs. It begins in the user's home, with
    nothing to read unless that is given. All raise `ClusterError`.

    ::

        slurm_exec.run(["sbatch", "--parsable", "--wrap", "hostname"]).stdout
        slurm_ssh.run("sort | uniq -c", on="c1", input=lines).stdout
    """

    def __init__(self, docker: DockerCluster) -> None:
        self.docker: DockerCluster = docker

    @abc.abstractmethod
    def _argv(self, command: Sequence[str], on: str, user: str) -> list[str]:
        """What is run here for a command there."""

    def run(
        self,
        command: Sequence[str] | str,
        *,
        on: str = "login",
        user: str = USER,
        input: str = "",
        check: bool = True,
        timeout: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end: `returncode`, `stdout` and `stderr` of what it was, as text.

        Raises `ClusterError` if it fails and `check` is set, or takes more than `timeout` seconds.
        """
        done = self._run(_words(command), on, user, input.encode(), timeout)
        text = subprocess.CompletedProcess(
            done.args, done.returncode, _text(done.stdout), _text(done.stderr)
        )
        if check and done.returncode != 0:
            raise _failure(command, on, text)
        return text

    @contextmanager
    def start(
        self, command: Sequence[str] | str, *, on: str = "login", user: str = USER
    ) -> Iterator[subprocess.Popen[str]]:
        """Start a command and talk to it while it runs: `stdin` and `stdout` are pipes of text, stderr is in stdout.

        What still runs at the end of the block is terminated, there too, with all that it has started. Its `returncode` is
        there after the block.

        ::

            with slurm_exec.start(["tail", "-f", path]) as log:
                assert "epoch 1" in next(log.stdout)
        """
        note = f"/tmp/command-{secrets.token_hex(8)}"  # noqa: S108 - there, under a name that nobody can guess
        argv = self._argv([*NOTED, note, *_words(command)], on, user)
        with subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            bufsize=1,
        ) as process:
            try:
                yield process
            finally:
                self._end(process, note, on, user)

    def read_file(self, path: str, *, on: str = "login", user: str = USER) -> bytes:
        """What is in a file there."""
        done = self._run(["cat", "--", path], on, user, b"", 60.0)
        if done.returncode != 0:
            raise _failure(["cat", path], on, done)
        return done.stdout

    def write_file(
        self, path: str, content: str | bytes, *, on: str = "login", user: str = USER
    ) -> None:
        """Write a file there, in one piece; directories are made where they are missing."""
        written = content.encode() if isinstance(content, str) else content
        done = self._run(["sh", "-c", WRITTEN, path], on, user, written, 60.0)
        if done.returncode != 0:
            raise _failure(["write", path], on, done)

    # ------------------------------------------------------------------------------- private

    def _run(
        self, command: Sequence[str], on: str, user: str, input: bytes, timeout: float
    ) -> subprocess.CompletedProcess[bytes]:
        argv = self._argv(command, on, user)
        try:
            return subprocess.run(
                argv, input=input, capture_output=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired as error:
            what = shlex.join(command)
            raise ClusterError(f"{what} on {on} took more than {timeout:g} s") from error

    def _end(self, process: subprocess.Popen[str], note: str, on: str, user: str) -> None:
        """End the command there, which would outlive what has started it here."""
        self._run(["sh", "-c", ENDED, note], on, user, b"", 60.0)
        if process.stdin is not None and process.stdin.closed:
            process.stdin = None  # which `communicate` would flush
        try:
            process.communicate(timeout=GRACE)
        except subprocess.TimeoutExpired:
            process.kill()


class ExecCommands(Commands):
    """Through the engine: on every machine of the cluster, as any user, ``root`` too."""

    def _argv(self, command: Sequence[str], on: str, user: str) -> list[str]:
        self.docker.require_services(on)
        shared = on == "login" or on in self.docker.nodes
        home = posixpath.join("/shared/home", user) if shared and user != "root" else "/"
        docker = ["docker", "exec", "--interactive", "--user", user, "--workdir", home]
        return [*docker, f"{self.docker.project}-{on}-1", *command]


class SshCommands(Commands):
    """Through ssh, as from a laptop: to the login node, and by way of it to the nodes; as one of the cluster's users.

    A status of 255 is ssh's own.
    """

    def _argv(self, command: Sequence[str], on: str, user: str) -> list[str]:
        there_are = ["login", *self.docker.nodes]
        if on not in there_are:
            raise ClusterError(f"ssh leads to {', '.join(there_are)}, not to {on!r}")
        host = self.docker.project if on == "login" else on
        config = self.docker.of_user(user).ssh_config
        return [*self._answering(user), "ssh", "-F", str(config), "-T", host, shlex.join(command)]

    def _answering(self, user: str) -> list[str]:
        """What has ssh find the answer itself where the login node asks for one."""
        variables = answering(self.docker.of_user(user))
        return (
            ["env", *(f"{name}={value}" for name, value in variables.items())] if variables else []
        )


def _words(command: Sequence[str] | str) -> list[str]:
    return ["bash", "-c", command] if isinstance(command, str) else list(command)


def _text(written: bytes) -> str:
    return written.decode("utf-8", "replace")


def _failure(
    command: Sequence[str] | str,
    on: str,
    done: subprocess.CompletedProcess[str] | subprocess.CompletedProcess[bytes],
) -> ClusterError:
    said = done.stderr if isinstance(done.stderr, str) else _text(done.stderr)
    last = [line.strip() for line in said.splitlines() if line.strip()][-1:]
    what = command if isinstance(command, str) else shlex.join(command)
    return ClusterError(
        f"{what} on {on} failed with {done.returncode}: {' '.join(last) or 'it said nothing'}"
    )
