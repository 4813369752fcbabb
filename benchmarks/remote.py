"""The login node of the benchmarks' cluster, as a plain ``ssh`` sees it."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from benchmarks.driver import BenchmarkError
from slurm.testing import DockerCluster

# On the volume that login node and nodes share.
SHARED = "/shared/work/bench"
HOST, USER = "127.0.0.1", "dev"
TIMEOUT = 300


class LoginNode:
    """Commands and files there, through the system's ssh."""

    def __init__(self, cluster: DockerCluster) -> None:
        self.cluster = cluster
        self._copied: set[str] = set()

    @property
    def port(self) -> str:
        """Where the login node answers."""
        found = re.search(r"^\s*Port (\d+)$", self.cluster.ssh_config.read_text("utf-8"), re.M)
        if found is None:
            raise BenchmarkError(f"{self.cluster.ssh_config} names no port")
        return found.group(1)

    def key_arguments(self) -> list[str]:
        """How a peer that is no ``ssh`` is told of it: host, port, user, key."""
        return [HOST, self.port, USER, str(self.cluster.access.identity_file)]

    def ssh(self, command: str, *options: str) -> list[str]:
        """An ``ssh`` command line."""
        config = str(self.cluster.ssh_config)
        return ["ssh", "-F", config, *options, self.cluster.project, command]

    def copy(self, name: str, sources: Mapping[str, Path]) -> None:
        """Copy files and folders to the shared volume, once a run."""
        if name in self._copied:
            return
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for target, source in sources.items():
                archive.add(source, target, filter=_plain)
        where = shlex.quote(SHARED)
        self.run(self.ssh(f"mkdir -p {where} && tar -x -C {where}"), input=packed.getvalue())
        self._copied.add(name)

    def end_master(self, socket: str) -> None:
        """End the ssh master that listens there; nothing happens where there is none."""
        with contextlib.suppress(BenchmarkError):
            self.run(self.ssh("", "-o", f"ControlPath={socket}", "-O", "exit"))

    def run(
        self, argv: Sequence[str], *, input: bytes = b"", into: Path | None = None
    ) -> tuple[float, bytes]:
        """Run a command here: the seconds it takes, and what it prints, unless that goes `into` a file.

        Raises `BenchmarkError`.
        """
        start = time.perf_counter()
        with contextlib.ExitStack() as stack:
            stdout = subprocess.PIPE if into is None else stack.enter_context(into.open("wb"))
            done = self._run(argv, input, stdout)
        took = time.perf_counter() - start
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["nothing"]
            raise BenchmarkError(f"{argv[0]} failed and said: {said[-1]}")
        return took, done.stdout or b""

    def piped(self, first: Sequence[str], second: Sequence[str]) -> float:
        """The seconds that two commands take of which the second reads what the first writes. Raises `BenchmarkError`."""
        start = time.perf_counter()
        with subprocess.Popen(first, stdout=subprocess.PIPE) as source:
            done = subprocess.run(second, stdin=source.stdout, timeout=TIMEOUT, check=False)
        took = time.perf_counter() - start
        if source.returncode != 0 or done.returncode != 0:
            raise BenchmarkError(f"{first[0]} or {second[0]} failed")
        return took

    @staticmethod
    def _run(
        argv: Sequence[str], input: bytes, stdout: int | IO[bytes]
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                argv,
                input=input,
                stdout=stdout,
                stderr=subprocess.PIPE,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BenchmarkError(f"{argv[0]} took more than {TIMEOUT} s") from None


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Nobody's and without bytecode."""
    if "__pycache__" in member.name:
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
