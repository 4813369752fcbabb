"""The user's own code as it is: frozen when a job is submitted, sent once, and on the job's path as it is on the client's."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm.config.checks import check_text
from slurm.errors import ConfigError
from slurm.job_dir.paths import PACKAGES
from slurm.packaging.base import PackagingStrategy, interpreter_on
from slurm.packaging.own_code import own_roots
from slurm.packaging.projects import project_of
from slurm.packaging.source_copies import COPIES, recent_copy, send
from slurm.packaging.source_files import Selection
from slurm.rendering import Environment
from slurm.sbatch.options import InvalidOption
from slurm.sbatch.values import parse_memory

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.task import SlurmTask

MAX_SIZE = "200M"


class SourcePackagingStrategy(PackagingStrategy):
    """Sends the user's own code: no wheel is built, and nothing is installed.

    What is searched for imports here, and belongs to the task's project or to another one, is copied to the cluster as it is
    now; the job finds the copies in the same order. A job that waits for days runs the code that was submitted. Only files
    that are in no earlier copy are sent.

    - `project`: the directory of the task's project (default: the nearest one above its module with a ``pyproject.toml``).
    - `include`, `exclude`: patterns of the files that travel, as in a ``.gitignore``; without `include`, all that Git tracks
      or does not ignore, and elsewhere the packages.
    - `max_size`: how much at most one project may have, a size as ``--mem`` spells it.
    - `python`: the interpreter there (default: the cluster's).
    - `copies`: what an earlier submission has sent, by directory: nothing is sent then. A workflow hands it to its jobs.

    >>> SourcePackagingStrategy(exclude=["data/"]).exclude
    ['data/']
    """

    def __init__(
        self,
        *,
        project: str | os.PathLike[str] | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        max_size: str | int = MAX_SIZE,
        python: str | None = None,
        copies: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        for name, text in (("project", project), ("python", python)):
            if text is not None:
                check_text(name, text)
        for name, patterns in (("include", include), ("exclude", exclude)):
            if isinstance(patterns, str):
                raise ConfigError(f"{name} is a list of patterns, not the text {patterns!r}")
        try:
            self._most_bytes = parse_memory(str(max_size)) << 20
        except InvalidOption as error:
            raise ConfigError(f"max_size {max_size!r}: {error}") from None
        self.project = project
        self.include: Sequence[str] = list(include)
        self.exclude: Sequence[str] = list(exclude)
        self.max_size = max_size
        self.python = python
        self.copies: Mapping[str, Mapping[str, Any]] | None = copies

    def prepare(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        frozen = self.copies if self.copies is not None else self._frozen(task, cluster)
        return Environment(
            [interpreter_on(cluster, self.python)],
            copies={here: about["copy"] for here, about in frozen.items()},
            code=list(frozen.values()),
            inherited={"type": "source", "copies": frozen, "python": self.python},
        )

    def preview(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        copies = self.copies
        if copies is None:
            folder = f"{cluster.site.shown_base}/{PACKAGES}/{COPIES}"
            copies = {str(one): {"copy": f"{folder}/<{one.name}>"} for one in self._roots(task)}
        places = {here: about["copy"] for here, about in copies.items()}
        return Environment([self.python or cluster.python], copies=places)

    def _frozen(self, task: SlurmTask[Any, Any], cluster: Cluster) -> dict[str, dict[str, Any]]:
        """The copies of all the user's projects, sent, and what is to be known of each."""
        selection = Selection(tuple(self.include), tuple(self.exclude), self._most_bytes)
        found = {}
        for root in self._roots(task):
            copy = recent_copy(root, selection)
            found[str(root)] = {"copy": send(copy, cluster), **copy.about}
        return found

    def _roots(self, task: SlurmTask[Any, Any]) -> list[Path]:
        project = project_of(task.unwrapped, self.project)
        return list(dict.fromkeys([project, *own_roots()]))
