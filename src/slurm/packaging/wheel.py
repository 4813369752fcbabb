"""The user's project as a wheel: built here, sent once, installed once on the cluster."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import posixpath
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm import forks
from slurm._version import __version__
from slurm.config.checks import check_flag, check_text
from slurm.errors import ConfigError, PackagingError, RemoteFileMissing
from slurm.job_dir.paths import PACKAGES
from slurm.packaging.base import PackagingStrategy, interpreter_on
from slurm.packaging.building import Wheel, wheel_of
from slurm.packaging.inherit import handed_on, settings_of_parent
from slurm.packaging.programs import failure
from slurm.packaging.projects import project_of
from slurm.rendering import Environment

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.task import SlurmTask

INSTALL_TIMEOUT = 3600.0  # seconds
SETTINGS = ("project", "python", "dependencies", "build_isolation")
# As the installer has them.
READY = ".ready"
WARNING = "warning: "

logger: logging.Logger = logging.getLogger(__name__)

_made: dict[tuple[object, ...], str] = {}
_making = forks.Lock()


class WheelPackagingStrategy(PackagingStrategy):
    """Builds a wheel of the user's project and runs jobs in an environment in which it is installed.

    - `project`: the directory with ``pyproject.toml`` (default: the nearest one above the task's
      module, else above the working directory).
    - `python`: the interpreter there that the environment is made with (default: the cluster's). What
      is installed for it can be imported as well.
    - `dependencies`: whether pip installs there what the project depends on and `python` lacks; without,
      no network is used.
    - `build_isolation`: whether the build gets an environment of its own; without, what it needs must be
      installed here.
    - `environment`: one that is on the cluster already, with which nothing is built.

    ``uv`` builds where it is on the PATH, else pip. Submitting raises `PackagingError` when the build or
    the installation fails.

    >>> WheelPackagingStrategy(dependencies=False).dependencies
    False
    """

    def __init__(
        self,
        *,
        project: str | os.PathLike[str] | None = None,
        python: str | None = None,
        dependencies: bool = True,
        build_isolation: bool = True,
        environment: str | None = None,
    ) -> None:
        for name, text in (("project", project), ("python", python), ("environment", environment)):
            if text is not None:
                check_text(name, text)
        check_flag("dependencies", dependencies)
        check_flag("build_isolation", build_isolation)
        self.project = project
        self.python = python
        self.dependencies = dependencies
        self.build_isolation = build_isolation
        self.environment = environment

    def prepare(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        environment = self.environment or handed_on(self, "environment", SETTINGS)
        packaged: Sequence[str] = ()
        if environment is None:
            project = self._project(task)
            wheel = wheel_of(project, isolated=self.build_isolation)
            python = interpreter_on(cluster, self.python)
            environment = environment_of(wheel, cluster, python, self.dependencies)
            packaged = wheel.modules
        return Environment(
            [posixpath.join(environment, "bin", "python")],
            inherited={**self.inherited(), "environment": environment},
            packaged=packaged,
        )

    def preview(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        environment = self.environment or handed_on(self, "environment", SETTINGS)
        if environment is None:
            project = self._project(task)
            environment = (
                f"{cluster.site.shown_base}/{PACKAGES}/<the wheel of {project}>/<its environment>"
            )
        return Environment(
            [posixpath.join(environment, "bin", "python")],
            inherited={**self.inherited(), "environment": environment},
        )

    def _project(self, task: SlurmTask[Any, Any]) -> Path:
        try:
            return project_of(task.unwrapped, self.project)
        except ConfigError as error:
            if settings_of_parent() is None:
                raise
            raise ConfigError(
                f"{error}; in a workflow's job, the packaging 'inherit' is that of the workflow"
            ) from error

    def generate_setup_commands(
        self, task: SlurmTask[Any, Any], environment: Environment
    ) -> Sequence[str]:
        folder = posixpath.dirname(environment.interpreter[0])
        place = posixpath.dirname(folder)
        gone = f"slurm-tasks: the environment {place} is not there any more: submit the job again"
        return [
            f"[ -e {shlex.quote(posixpath.join(place, READY))} ] || "
            f"{{ echo {shlex.quote(gone)} >&2; exit 1; }}",
            f'export VIRTUAL_ENV={shlex.quote(place)} PATH={shlex.quote(folder)}:"$PATH"',
        ]


def environment_of(wheel: Wheel, cluster: Cluster, python: str, dependencies: bool) -> str:
    """The environment on `cluster` in which `wheel` is installed. Raises `PackagingError`."""
    folder = posixpath.join(cluster.job_base_dir, PACKAGES, wheel.address)
    key = hashlib.sha256(json.dumps([python, dependencies]).encode()).hexdigest()[:8]
    with _making:
        known = _made.get((cluster.site.place, folder, key))
        if known is None or not cluster.backend.file_exists(posixpath.join(known, READY)):
            path = posixpath.join(folder, wheel.name)
            if not cluster.backend.file_exists(path):
                cluster.backend.write_file(path, wheel.content, exclusive=True)
            known = _install(
                cluster, python, [path, key, "yes" if dependencies else "no", __version__]
            )
            _made[cluster.site.place, folder, key] = known
        return known


def _install(cluster: Cluster, python: str, arguments: Sequence[str]) -> str:
    from importlib import resources

    program = resources.files("slurm.packaging").joinpath("installer.py").read_bytes()
    name = posixpath.basename(arguments[0])
    what = f"{name} could not be installed on the cluster with {python}"
    try:
        status, output = cluster.backend.run_program(
            [python, "-", *arguments], input=program, timeout=INSTALL_TIMEOUT
        )
    except RemoteFileMissing as error:
        raise PackagingError(
            f"{what}: there is no such program there; name one with the packaging's python"
        ) from error
    printed = output.decode("utf-8", "replace")
    if status != 0:
        raise failure(what, printed)
    *before, environment = printed.splitlines()
    for line in before:
        if line.startswith(WARNING):
            logger.warning("%s", line[len(WARNING) :])
    return environment
