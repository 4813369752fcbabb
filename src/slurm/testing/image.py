"""The image of the dockerised cluster: named by what is in it, built once, and used by clusters of any name."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from slurm.testing import releases
from slurm.testing.commands import cluster_files, explain, run_logged
from slurm.testing.engine import build_command, is_podman
from slurm.testing.errors import ClusterError

REPOSITORY = "slurm-tasks-cluster"
# An image of ours has both: which of them it is, of this release with these packages, and the digest of what it is made from.
LABEL = "slurm-tasks.image"
DIGEST_LABEL = "slurm-tasks.made-from"
# What the engine may forget when a newer one of the same kind was built, if no container has used it meanwhile.
OLD = "48h"
# Read by docker compose and by ensure-docker.sh, not by the Dockerfile.
NOT_IN_IT = re.compile(r".*\.yml|ensure-docker\.sh")
ARCHIVE_IS_SILENT = re.compile(
    r"does not have a Release file|Failed to fetch|Could not (resolve|connect)|Unable to (fetch|connect)"
)


@dataclass(frozen=True)
class ClusterImage:
    """The image of a `release`: with runtimes of `containers`, with `packages` of Debian, and with slurmrestd for `rest`.

    Raises `ClusterError` for what is no release, and for what is no name of a package.

    >>> ClusterImage("bookworm").kind, ClusterImage("trixie", containers=True).kind
    ('bookworm', 'trixie-containers')
    """

    release: str
    containers: bool = False
    packages: tuple[str, ...] = ()
    rest: bool = False

    def __post_init__(self) -> None:
        releases.release_named(self.release)
        for package in self.packages:
            if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", package):
                raise ClusterError(f"{package!r} is no name of a Debian package")

    @property
    def kind(self) -> str:
        """Which image it is, whatever the files say that it is made from."""
        packages = " ".join(self._packages)
        digest = hashlib.sha256(packages.encode()).hexdigest()[:8] if packages else ""
        options = ["containers" * self.containers, "rest" * self.rest]
        return "-".join(filter(None, [self.release, *options, digest]))

    @property
    def name(self) -> str:
        """Its name, of which the last part stands for the files and arguments that it is made from."""
        return f"{REPOSITORY}:{self.kind}-{self._digest}"

    def exists(self) -> bool:
        """Whether the engine has it. Raises `ClusterError` where there is no docker command."""
        done = _docker("image", "inspect", "--format", "{{.Id}}", self.name)
        if done.returncode == 127:
            raise ClusterError(explain(done))
        return done.returncode == 0

    def build(self) -> None:
        """Build it if the engine has none of its name; older ones of its kind go. Raises `ClusterError`."""
        with _alone(_context() / "releases" / self.release):
            if self.exists():
                return
            try:
                run_logged([*self._build_command, str(_context())], "docker build")
            except ClusterError as error:
                raise self._explained(error) from error
            self._forget_older()

    @property
    def _digest(self) -> str:
        return _digest_of(self._arguments, _context())[:12]

    @property
    def _packages(self) -> list[str]:
        return sorted(set(self.packages))

    @property
    def _arguments(self) -> list[str]:
        """What the Dockerfile is told, as ``docker build`` wants it."""
        stage = "containers" if self.containers else "cluster"
        arguments = ["--build-arg", f"DEBIAN_RELEASE={self.release}"]
        if self.rest:
            arguments += ["--build-arg", f"REST_ON={stage}"]
            stage = "rest"
        if not self._packages:
            return [*arguments, "--target", stage]
        more = ["--build-arg", f"STAGE={stage}", "--build-arg"]
        return [*arguments, *more, f"PACKAGES={' '.join(self._packages)}", "--target", "packages"]

    @property
    def _build_command(self) -> list[str]:
        command = build_command(podman=is_podman())
        labels = (f"--label={LABEL}={self.kind}", f"--label={DIGEST_LABEL}={self._digest}")
        return [*command, *labels, "--tag", self.name, *self._arguments]

    def _forget_older(self) -> None:
        """Remove images of this kind that are older than `OLD`, and that no container has: those of other files."""
        # Not those of today: another checkout may be about to start one. A build of what the engine has in its cache is as
        # old as that.
        _docker(
            *("image", "prune", "--all", "--force"),
            *("--filter", f"label={LABEL}={self.kind}"),
            *("--filter", f"label!={DIGEST_LABEL}={self._digest}"),
            *("--filter", f"until={OLD}"),
        )

    def _explained(self, error: ClusterError) -> ClusterError:
        """The same, beginning with what to do where Debian's archive is why."""
        text = str(error)
        if not ARCHIVE_IS_SILENT.search(text):
            return error
        advice = releases.if_archived(self.release) or "see that containers reach Debian's archive"
        return ClusterError(f"no packages of {self.release} could be had. {advice}\n{text}")


def _context() -> Path:
    return cluster_files() / "docker"


def _digest_of(arguments: Sequence[str], context: Path) -> str:
    """Of the arguments, and of all files in `context` that an image is made from; modes and times do not count."""
    digest = hashlib.sha256("\0".join(arguments).encode())
    for path in sorted(context.rglob("*")):
        if path.is_file() and not NOT_IN_IT.fullmatch(path.name):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"\0{path.relative_to(context).as_posix()}\0{content}".encode())
    return digest.hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time for this `folder`: two that build the same image would leave one without a name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # NFS locks no folder
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = ["env", "docker", *arguments]
    return subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
