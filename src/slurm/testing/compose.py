"""How ``docker compose`` is called for one cluster."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from slurm.testing import releases
from slurm.testing.commands import cluster_files, explain, run_logged
from slurm.testing.engine import is_healthy, is_podman
from slurm.testing.errors import ClusterError, module_of_extra
from slurm.testing.image import ClusterImage
from slurm.testing.mpi import mpi_packages, mpi_settings
from slurm.testing.shape import Shape
from slurm.testing.shape_files import SHAPE_FILE, compose_file, slurm_settings

if TYPE_CHECKING:
    from testcontainers.compose import DockerCompose


ALL_PROFILES = ("--profile", "*")
SERVICE = "com.docker.compose.service"


@dataclass(frozen=True)
class ComposeProject:
    """One compose project; `port` 0 lets Docker choose a free one, and so does `rest_port`, that of slurmrestd.

    `shape` is what it is to be like; what Compose is told of that lies in `folder`, once `write` has been called. Raises
    `ClusterError` for values that make no sense.
    """

    name: str
    release: str = releases.DEFAULT
    port: int = 0
    shape: Shape = field(default_factory=Shape)
    folder: Path = field(default_factory=Path)
    rest_port: int = 0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", self.name):
            raise ClusterError(
                f"the project name {self.name!r} must be of lowercase letters, digits, '-' and '_'"
            )
        releases.release_named(self.release)
        if not 0 <= self.port <= 65535:
            raise ClusterError(f"the port {self.port} must be from 1 to 65535, or 0 for a free one")

    @property
    def packages(self) -> tuple[str, ...]:
        """Names of Debian packages that are in the image as well."""
        return (*self.shape.packages, *mpi_packages(self.shape))

    @property
    def data_parsers(self) -> tuple[str, ...]:
        """The versions of slurmrestd's interface."""
        return releases.release_named(self.release).data_parsers

    @property
    def containers(self) -> bool:
        """Whether the nodes have runtimes of containers."""
        return self.shape.containers

    @property
    def shape_file(self) -> Path:
        """What Compose is told beside ``docker-compose.yml``, where there is anything."""
        return self.folder / SHAPE_FILE

    def write(self) -> None:
        """Write down what Compose is told of the shape."""
        text = compose_file(self.shape, cluster_files() / "docker-compose.yml")
        if text:
            self.shape_file.write_text(text, "utf-8")
        else:
            self.shape_file.unlink(missing_ok=True)

    @property
    def command(self) -> list[str]:
        """``docker compose`` for this project, whatever the caller's environment says of it."""
        folder = cluster_files()
        unset = ("COMPOSE_PROFILES", "COMPOSE_ENV_FILES", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME")
        return [
            "env",
            *(word for name in unset for word in ("-u", name)),
            f"DEBIAN_RELEASE={self.release}",
            f"SLURM_SSH_PORT={self.port}",
            f"SLURM_REST_PORT={self.rest_port}",
            f"CLUSTER_IMAGE={self.image.name}",
            f"CLUSTER_SETTINGS={' '.join(self._settings)}",
            f"CLUSTER_SHARED_SIZE={self.shape.shared_size}",
            f"CLUSTER_SHAPE={self.shape.digest}",
            f"CLUSTER_USERS={' '.join(self.shape.people[1:])}",
            *("docker", "compose", "--ansi", "never", "--project-name", self.name),
            *("--project-directory", str(folder), "--file", str(folder / "docker-compose.yml")),
            *(
                word
                for name in self._more_files
                for word in ("--file", str(folder / "docker" / name))
            ),
            *(("--file", str(self.shape_file)) if self.shape_file.is_file() else ()),
            *(word for name in self.shape.profiles for word in ("--profile", name)),
        ]

    @property
    def image(self) -> ClusterImage:
        """The image of its services."""
        return ClusterImage(self.release, self.containers, self.packages, self.shape.rest)

    @property
    def _more_files(self) -> list[str]:
        wanted = {
            "small-shared.yml": self.shape.shared_size,
            "containers.yml": self.containers,
            "login-port.yml": not self.shape.bastion,
            "bastion.yml": self.shape.bastion,
            self._rest_file: self.shape.rest
            and (cluster_files() / "docker" / self._rest_file).is_file(),
        }
        return [name for name, is_wanted in wanted.items() if is_wanted]

    @property
    def _rest_file(self) -> str:
        """What slurmrestd is allowed besides, in this release."""
        return f"releases/{self.release}/rest.yml"

    @property
    def _settings(self) -> list[str]:
        of_mpi = mpi_settings(self.shape, releases.release_named(self.release))
        settings = {**of_mpi, **slurm_settings(self.shape)}
        return [f"{name}={value}" for name, value in settings.items()]

    def run(
        self,
        *arguments: str,
        timeout: float = 300.0,
        check: bool = True,
        stdout: int = subprocess.PIPE,
    ) -> subprocess.CompletedProcess[str]:
        """Run a compose command with nothing to read; its output is text.

        Raises `ClusterError` with the last line it wrote if it fails and `check` is set, or after
        `timeout` seconds.
        """
        what = f"docker compose {next(one for one in arguments if one not in ALL_PROFILES)}"
        return self._run([*self.command, *arguments], what, timeout, check, stdout)

    def exec(
        self,
        service: str,
        argv: Sequence[str],
        *,
        user: str = "root",
        timeout: float = 60.0,
        check: bool = True,
        stdout: int = subprocess.PIPE,
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` in the container of `service`; as `run`, and in a third of compose's own time for it."""
        docker = ["env", "docker", "exec", "--user", user, f"{self.name}-{service}-1"]
        return self._run([*docker, *argv], f"docker exec {service}", timeout, check, stdout)

    def _run(
        self, argv: list[str], what: str, timeout: float, check: bool, stdout: int
    ) -> subprocess.CompletedProcess[str]:
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ClusterError(f"{what} for {self.name} took more than {timeout:g} s") from error
        if check and done.returncode != 0:
            raise ClusterError(f"{what} for {self.name} failed: {explain(done)}")
        return done

    def pass_through(self, *arguments: str) -> int:
        """Run a compose command on the caller's own terminal; its exit status."""
        return subprocess.run([*self.command, *arguments], check=False).returncode

    def prepare_docker(self) -> None:
        """Make sure of the engine, its plugins and the base image. Raises `ClusterError`."""
        script = cluster_files() / "docker" / "ensure-docker.sh"
        run_logged(
            ["env", f"DEBIAN_RELEASE={self.release}", "bash", str(script)], "ensure-docker.sh"
        )

    def start(self, seconds: float) -> None:
        """Start all services; returns when they are healthy. Raises `ClusterError`."""
        compose = self.testcontainers()
        try:
            compose.start()
        except subprocess.CalledProcessError as error:
            done = subprocess.CompletedProcess(
                error.cmd, error.returncode, "", error.stderr.decode("utf-8", "replace")
            )
            raise ClusterError(f"docker compose failed: {explain(done)}") from error
        self._wait_until_healthy(seconds)

    def remove(self) -> None:
        """Remove containers, volumes and network; nothing happens where there are none."""
        # Of all profiles: without its name, Compose leaves the services of one alone.
        self.run(*ALL_PROFILES, "down", "--volumes", "--remove-orphans")

    def testcontainers(self) -> DockerCompose:
        """The project as testcontainers knows it; its `start` does not wait."""
        made = module_of_extra("testcontainers.compose").DockerCompose
        compose: DockerCompose = made(cluster_files(), wait=False)
        compose.compose_command_property = self.command  # it has no argument for a project's name
        return compose

    def running_release(self) -> str | None:
        """The Debian release of the project's containers, running or not; None if it has none."""
        return self._label("slurm-tasks.release")

    def running_shape(self) -> str | None:
        """The digest of the shape that the project's containers have; None where it is not known."""
        return self._label("slurm-tasks.shape")

    def _wait_until_healthy(self, seconds: float) -> None:
        """What ``up --wait`` does, but a dead service ends it; Compose 2.26 waits for the others.

        Podman leaves health checks to systemd, and has none where that does not run: there they are made here. Raises
        `ClusterError` where a service is dead, and after `seconds`.
        """
        deadline, ask = time.monotonic() + seconds, is_podman()
        while waiting := self._not_yet_healthy(ask=ask):
            if time.monotonic() > deadline:
                raise ClusterError(f"not ready after {seconds:g} s: {', '.join(sorted(waiting))}")
            time.sleep(0.1)

    def _not_yet_healthy(self, *, ask: bool) -> list[str]:
        # `docker ps` takes a quarter of the time that `docker compose ps` does, on processors that the daemons want.
        waiting = []
        for line in self._ps(f'{{{{.Label "{SERVICE}"}}}} {{{{.Names}}}} {{{{.Status}}}}'):
            service, name, status = line.split(" ", 2)
            if ended := re.match(r"(?:Exited|Dead) ?\(?([0-9]*)", status):
                raise ClusterError(f"{service} ended with status {ended[1]}")
            if "(unhealthy)" in status:
                raise ClusterError(f"{service} does not answer")
            if "(healthy)" not in status and not (ask and is_healthy(name)):
                waiting.append(service)
        return waiting

    def _label(self, name: str) -> str | None:
        return next(iter(" ".join(self._ps(f'{{{{.Label "{name}"}}}}')).split()), None)

    def _ps(self, form: str) -> list[str]:
        """A line for each container of the project, running or not."""
        label = f"label=com.docker.compose.project={self.name}"
        argv = ["env", "docker", "ps", "--all", "--filter", label, "--format", form]
        return self._run(argv, "docker ps", 60.0, True, subprocess.PIPE).stdout.splitlines()


def plain(logs: str) -> str:
    """Compose 2.26 starts lines with a terminal's "erase line" whoever reads them."""
    return logs.replace("\x1b[2K", "")
