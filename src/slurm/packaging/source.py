"""The user's own code as it is: frozen when a job is submitted, sent once, and on the job's path as it is on the client's."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm.config.checks import check_text
from slurm.errors import ConfigError, PackagingError
from slurm.job_dir.paths import PACKAGES
from slurm.packaging.base import PackagingStrategy
from slurm.packaging.code.own_code import own_roots
from slurm.packaging.code.source_copies import COPIES, forget, line_for, recent_copy, send
from slurm.packaging.code.source_files import Selection
from slurm.packaging.environments.making import (
    ENVIRONMENTS,
    INDEX,
    SEND,
    environment_of,
    lines_for,
    mark_of,
    require_python,
)
from slurm.packaging.environments.making import forget as forget_environments
from slurm.packaging.environments.requirement_lines import require_packaging
from slurm.packaging.environments.script_metadata import has_metadata, script_of
from slurm.packaging.inherit import parent_like, settings_of_parent
from slurm.packaging.projects import project_of
from slurm.packaging.site.site_environment import SETTINGS as SITE_SETTINGS
from slurm.packaging.site.site_environment import SiteEnvironment, SitePython
from slurm.rendering import Environment
from slurm.sbatch.options import InvalidOption
from slurm.sbatch.values import parse_memory

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.packaging.environments.requirements import Requirements
    from slurm.task import SlurmTask

MAX_SIZE = "200M"
WAYS = (SEND, INDEX)
SETTINGS = (
    *("project", "include", "exclude", "max_size", "dependencies", "extras"),
    *SITE_SETTINGS,
)


class SourcePackagingStrategy(PackagingStrategy):
    """Sends the user's own code: no wheel is built, and nothing is installed.

    What is searched for imports here, and belongs to the task's project or to another one, is copied to the cluster as it is
    now; the job finds the copies in the same order. A job that waits for days runs the code that was submitted. Only files
    that are in no earlier copy are sent.

    - `project`: the directory of the task's project (default: the nearest one above its module with a ``pyproject.toml``).
    - `include`, `exclude`: patterns of the files that travel, as in a ``.gitignore``; without `include`, all that Git tracks
      or does not ignore, and elsewhere the packages.
    - `max_size`: how much at most one project may have, a size as ``--mem`` spells it.
    - `dependencies`: how what the project depends on gets there: ``send`` chooses wheels here, for the Python there, and
      sends them; ``index`` has them chosen there, from the index that pip or uv is configured with. Without, it has to be
      there. An environment is made once, and again only when something else is required.
    - `extras`: of the project, to have as well.
    - `python`: the interpreter there, a path or a name on the PATH (default: the cluster's).
    - `setup`, `conda`, `uv`, `check`: an environment of the site to run in, as for `NonePackagingStrategy`; what is made for
      `dependencies` is made with its Python. `found`: what a check of it has found. A workflow hands it to its jobs.
    - `environment`: one that is there already, as `dependencies` would make it. A workflow hands it to its jobs.
    - `copies`: what an earlier submission has sent, by directory: nothing is sent then. A workflow hands it to its jobs.

    >>> SourcePackagingStrategy(exclude=["data/"]).exclude
    ['data/']
    """

    def __init__(  # noqa: PLR0913 - each is a key of a Slurmfile
        self,
        *,
        project: str | os.PathLike[str] | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        max_size: str | int = MAX_SIZE,
        dependencies: str | None = None,
        extras: Sequence[str] = (),
        python: str | None = None,
        setup: Sequence[str] = (),
        conda: str | None = None,
        uv: str | None = None,
        check: str = "login",
        found: Mapping[str, Any] | None = None,
        environment: str | None = None,
        copies: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        for name, text in (("project", project), ("environment", environment)):
            if text is not None:
                check_text(name, text)
        for name, words in (("include", include), ("exclude", exclude), ("extras", extras)):
            if isinstance(words, str):
                kind = "names" if name == "extras" else "patterns"
                raise ConfigError(f"{name} is a list of {kind}, not the text {words!r}")
        if dependencies not in (None, *WAYS):
            ways = " or ".join(map(repr, WAYS))
            raise ConfigError(
                f"dependencies {dependencies!r} is no way to get them there: say {ways}, or nothing"
            )
        if extras and dependencies is None:
            raise ConfigError(
                f"extras {list(extras)} are of no use without dependencies: say how those get there"
            )
        try:
            self._most_bytes = parse_memory(str(max_size)) << 20
        except InvalidOption as error:
            raise ConfigError(f"max_size {max_size!r}: {error}") from None
        self._site = SiteEnvironment(python=python, setup=setup, conda=conda, uv=uv, check=check)
        self.project = project
        self.include: Sequence[str] = list(include)
        self.exclude: Sequence[str] = list(exclude)
        self.max_size = max_size
        self.dependencies = dependencies
        self.extras: Sequence[str] = list(extras)
        self.python = python
        self.setup: Sequence[str] = list(setup)
        self.conda = conda
        self.uv = uv
        self.check = check
        self.found: Mapping[str, Any] | None = found
        self.environment = environment
        self.copies: Mapping[str, Mapping[str, Any]] | None = copies

    def prepare(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        copies, environment, found = self._given()
        required = self._requirements(task) if environment is None else None
        is_asked = environment is not None or required is not None
        there = self._site.on(cluster, task, found, is_asked=is_asked)
        if required is not None:
            environment = self._environment(required, cluster, there)
        frozen = copies if copies is not None else self._frozen(task, cluster)
        nothing_more: Mapping[str, Any] = (
            {} if environment else {"dependencies": None, "extras": []}
        )
        places = {here: about["copy"] for here, about in frozen.items()}
        return Environment(
            [self._interpreter(environment, there.interpreter)],
            there.setup,
            copies=places,
            needed=_needed(places.values(), environment),
            code=list(frozen.values()),
            inherited={
                **self.inherited(),
                **nothing_more,
                "copies": frozen,
                "environment": environment,
                "found": there.found,
            },
            python=there.version,
        )

    def preview(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        packages = f"{cluster.site.shown_base}/{PACKAGES}"
        copies, environment, _ = self._given()
        if copies is None:
            folder = f"{packages}/{COPIES}"
            copies = {str(one): {"copy": f"{folder}/<{one.name}>"} for one in self._roots(task)}
        if environment is None:
            required = self._requirements(task)
            if required is not None and not required.is_empty:
                environment = f"{packages}/{ENVIRONMENTS}/<what {required.origin} requires>"
        places = {here: about["copy"] for here, about in copies.items()}
        there = self._site.preview(cluster)
        python = self._interpreter(environment, there.interpreter)
        inherited = {**self.inherited(), "copies": copies, "environment": environment}
        return Environment([python], there.setup, copies=places, inherited=inherited)

    def forget(self, gone: Sequence[str], cluster: Cluster) -> None:
        copies, environment, _ = self._given()
        places = [about["copy"] for about in (copies or {}).values()]
        lost = sorted(set(gone).intersection(_needed(places, environment)))
        if lost:
            by = "the workflow" if settings_of_parent() else "whatever has sent it"
            raise PackagingError(
                f"{lost[0]}, which its job was to run with, is not there any more: submit {by} again"
            )
        forget(gone, cluster)
        forget_environments(gone, cluster)

    def generate_setup_commands(
        self, task: SlurmTask[Any, Any], environment: Environment
    ) -> Sequence[str]:
        made = (environment.inherited or {}).get("environment")
        lines = [line_for(place) for place in dict.fromkeys(environment.copies.values())]
        return [*lines, *(lines_for(made) if made else [])]

    def _interpreter(self, environment: str | None, otherwise: str) -> str:
        return posixpath.join(environment, "bin", "python") if environment else otherwise

    def _given(
        self,
    ) -> tuple[
        Mapping[str, Mapping[str, Any]] | None,
        str | None,
        Mapping[str, Any] | None,
    ]:
        """The copies and the environment that are there, and what was found of the site's: those that were named, or those
        of the workflow job around this process, if it was made from the same settings."""
        if self.copies is not None or self.environment is not None:
            return self.copies, self.environment, self.found
        parent = parent_like(self, SETTINGS)
        return parent.get("copies"), parent.get("environment"), self.found or parent.get("found")

    def _environment(
        self, required: Requirements, cluster: Cluster, there: SitePython
    ) -> str | None:
        python, under = there.interpreter, there.under
        if required.is_empty:
            require_python(required, cluster, python, under)
            return None
        return environment_of(required, cluster, python, str(self.dependencies), under)

    def _requirements(self, task: SlurmTask[Any, Any]) -> Requirements | None:
        if self.dependencies is None:
            return None
        require_packaging(f"dependencies {self.dependencies!r}")
        from slurm.packaging.environments.requirements import requirements_of

        script = script_of(task.unwrapped)
        if script is not None and has_metadata(script):
            return requirements_of(None, script, self.extras)
        return requirements_of(project_of(task.unwrapped, self.project), None, self.extras)

    def _frozen(self, task: SlurmTask[Any, Any], cluster: Cluster) -> dict[str, dict[str, Any]]:
        """The copies of all the user's projects, sent, and what is to be known of each."""
        selection = Selection(tuple(self.include), tuple(self.exclude), self._most_bytes)
        found = {}
        for root in self._roots(task):
            copy = recent_copy(root, selection)
            found[str(root)] = {"copy": send(copy, cluster), **copy.about}
        return found

    def _roots(self, task: SlurmTask[Any, Any]) -> list[Path]:
        script = script_of(task.unwrapped)
        if self.project is None and script is not None and has_metadata(script):
            return own_roots()  # it says by itself what it needs, and travels with each job
        project = project_of(task.unwrapped, self.project)
        return list(dict.fromkeys([project, *own_roots()]))


def _needed(copies: Iterable[str], environment: str | None) -> list[str]:
    """What must be there when a job with these is submitted."""
    found = list(dict.fromkeys(copies))
    return [*found, mark_of(environment)] if environment else found
