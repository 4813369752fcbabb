"""The user's project as a wheel: built here, sent once, installed once on the cluster."""

from __future__ import annotations

import os
import posixpath
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm.config.checks import check_flag, check_text
from slurm.errors import ConfigError, PackagingError
from slurm.job_dir.paths import PACKAGES
from slurm.packaging.base import PackagingStrategy
from slurm.packaging.environments.installer import BELOW, READY
from slurm.packaging.environments.making import ENVIRONMENTS, INDEX, SEND, lines_for, mark_of
from slurm.packaging.environments.requirement_lines import require_packaging
from slurm.packaging.inherit import parent_like, settings_of_parent
from slurm.packaging.projects import project_of
from slurm.packaging.site.site_environment import SETTINGS as SITE_SETTINGS
from slurm.packaging.site.site_environment import SiteEnvironment
from slurm.rendering import Environment

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.packaging.wheels.wheel_environments import Wanted
    from slurm.task import SlurmTask

SETTINGS = ("project", "dependencies", "extras", "build_isolation", *SITE_SETTINGS)


class WheelPackagingStrategy(PackagingStrategy):
    """Builds a wheel of the user's project and runs jobs in an environment in which it is installed.

    - `project`: the directory with ``pyproject.toml`` (default: the nearest one above the task's
      module, else above the working directory).
    - `python`: the interpreter there that the environment is made with (default: the cluster's). What
      is installed for it can be imported as well.
    - `dependencies`: how what the project depends on gets there: ``index`` (or True) has pip or uv add
      there what `python` lacks, from the index they are configured with; ``send`` chooses wheels here,
      for the Python there, and sends them; False brings the wheel alone.
    - `extras`: of the project, to have as well.
    - `build_isolation`: whether the build gets an environment of its own; without, what it needs must be
      installed here.
    - `setup`, `conda`, `uv`, `check`: an environment of the site to run in, as for `NonePackagingStrategy`; those here are made
      with its Python. `found`: what a check of it has found. A workflow hands it to its jobs.
    - `environment`: one that is on the cluster already, with which nothing is built.

    ``uv`` builds where it is on the PATH, else pip; once for each content of the project, however many
    programs start together. What it depends on is installed once for all its versions. Submitting raises
    `PackagingError` when the build or the installation fails, and `ConfigError` where the Python there
    cannot have the wheel.

    >>> WheelPackagingStrategy(dependencies="send").dependencies
    'send'
    """

    def __init__(  # noqa: PLR0913 - each is a key of a Slurmfile
        self,
        *,
        project: str | os.PathLike[str] | None = None,
        python: str | None = None,
        dependencies: str | bool = INDEX,
        extras: Sequence[str] = (),
        build_isolation: bool = True,
        setup: Sequence[str] = (),
        conda: str | None = None,
        uv: str | None = None,
        check: str = "login",
        found: Mapping[str, Any] | None = None,
        environment: str | None = None,
    ) -> None:
        for name, text in (("project", project), ("environment", environment)):
            if text is not None:
                check_text(name, text)
        if not isinstance(dependencies, bool) and dependencies not in (SEND, INDEX):
            raise ConfigError(
                f"dependencies {dependencies!r} is no way to get them there: say 'send' or 'index', or false for none"
            )
        if isinstance(extras, str):
            raise ConfigError(f"extras is a list of names, not the text {extras!r}")
        if extras and not dependencies:
            raise ConfigError(
                f"extras {list(extras)} are of no use without dependencies: say how those get there"
            )
        check_flag("build_isolation", build_isolation)
        self._site = SiteEnvironment(python=python, setup=setup, conda=conda, uv=uv, check=check)
        self.project = project
        self.python = python
        self.setup: Sequence[str] = list(setup)
        self.conda = conda
        self.uv = uv
        self.check = check
        self.found: Mapping[str, Any] | None = found
        self.dependencies: str | bool = INDEX if dependencies is True else dependencies
        self.extras: Sequence[str] = list(extras)
        self.build_isolation = build_isolation
        self.environment = environment

    def prepare(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        environment, found = self._given()
        there = self._site.on(cluster, task, found, is_asked=True)
        packaged: Sequence[str] = ()
        if environment is None:
            from slurm.packaging.wheels.wheel_environments import environments_of_wheel

            wanted = self._wanted(self._project(task))
            places = environments_of_wheel(wanted, cluster, there.interpreter, there.under)
            packaged = wanted.wheel.modules
        else:
            places = [environment]
        return Environment(
            [posixpath.join(places[0], "bin", "python")],
            there.setup,
            inherited={**self.inherited(), "environment": places[0], "found": there.found},
            packaged=packaged,
            python=there.version,
            needed=[mark_of(place) for place in places],
        )

    def preview(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        environment, _ = self._given()
        if environment is None:
            folder = f"{cluster.site.shown_base}/{PACKAGES}/{ENVIRONMENTS}"
            environment = f"{folder}/<the wheel of {self._project(task)}>"
        return Environment(
            [posixpath.join(environment, "bin", "python")],
            self._site.preview(cluster).setup,
            inherited={**self.inherited(), "environment": environment},
        )

    def _given(self) -> tuple[str | None, Mapping[str, Any] | None]:
        """The environment that is there, and what was found of the site's: those that were named, or those of the workflow
        job around this process, if it was made from the same settings."""
        if self.environment is not None:
            return self.environment, self.found
        parent = parent_like(self, SETTINGS)
        return parent.get("environment"), self.found or parent.get("found")

    def forget(self, gone: Sequence[str], cluster: Cluster) -> None:
        environment, _ = self._given()
        if environment is not None and mark_of(environment) in gone:
            by = "the workflow" if settings_of_parent() else "whatever has made it"
            raise PackagingError(
                f"{environment}, which its job was to run with, is not there any more: submit {by} again"
            )
        from slurm.packaging.environments import making
        from slurm.packaging.wheels import wheel_environments

        wheel_environments.forget(gone, cluster)
        making.forget(gone, cluster)

    def generate_setup_commands(
        self, task: SlurmTask[Any, Any], environment: Environment
    ) -> Sequence[str]:
        place = posixpath.dirname(posixpath.dirname(environment.interpreter[0]))
        below = posixpath.join(place, BELOW)
        gone = f"slurm-tasks: {below} is not there any more: submit the job again"
        return [
            *lines_for(place),
            f"[ ! -L {shlex.quote(below)} ] || [ -e {shlex.quote(posixpath.join(below, READY))} ] || "
            f"{{ echo {shlex.quote(gone)} >&2; exit 1; }}",
        ]

    def _wanted(self, project: Path) -> Wanted:
        """The wheel of the project as it is now, and what it requires."""
        require_packaging("packaging 'wheel'")
        from slurm.packaging.wheels.building import wheel_of
        from slurm.packaging.wheels.wheel_environments import Wanted
        from slurm.packaging.wheels.wheel_requirements import requirements_of_wheel

        wheel = wheel_of(project, isolated=self.build_isolation)
        how = str(self.dependencies or "")
        required = requirements_of_wheel(wheel, project, self.extras) if how else None
        return Wanted(wheel, project, required, how)

    def _project(self, task: SlurmTask[Any, Any]) -> Path:
        try:
            return project_of(task.unwrapped, self.project)
        except ConfigError as error:
            if settings_of_parent() is None:
                raise
            raise ConfigError(
                f"{error}; in a workflow's job, the packaging 'inherit' is that of the workflow"
            ) from error
