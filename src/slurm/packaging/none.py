"""No packaging: the user's own imports are there already."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slurm.errors import ConfigError
from slurm.packaging.base import PackagingStrategy, on_cluster
from slurm.packaging.inherit import parent_like
from slurm.packaging.site.site_environment import SETTINGS, SiteEnvironment
from slurm.rendering import Environment

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.task import SlurmTask


class NonePackagingStrategy(PackagingStrategy):
    """Runs tasks with the Python that is there. The SDK itself still travels by its own.

    - `python`: the interpreter on the nodes, a path or a name on the PATH (default: the cluster's).
    - `pythonpath`: directories on the nodes that hold the modules tasks import.
    - `setup`: lines of bash that come before Python, ``["module load cuda/12.4"]``; `conda`: an environment of conda's there,
      by its name or its prefix; `uv`: the directory there of a project whose ``.venv`` uv keeps.
    - `check`: where that is tried out before a job is submitted: on the ``login`` node, on a compute ``node`` as well, or
      nowhere (``none``).
    - `found`: what such a check has found. A workflow hands it to its jobs.

    Raises `ConfigError`; submitting raises `PackagingError` with the line of the setup that fails.

    >>> NonePackagingStrategy(pythonpath=["/home/me/project/src"]).pythonpath
    ['/home/me/project/src']
    """

    def __init__(
        self,
        *,
        python: str | None = None,
        pythonpath: Sequence[str | os.PathLike[str]] = (),
        setup: Sequence[str] = (),
        conda: str | None = None,
        uv: str | None = None,
        check: str = "login",
        found: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(pythonpath, str):
            raise ConfigError(f"pythonpath is a list of directories, not the text {pythonpath!r}")
        self._site = SiteEnvironment(python=python, setup=setup, conda=conda, uv=uv, check=check)
        self.python = python
        self.pythonpath: Sequence[str] = [os.fspath(path) for path in pythonpath]
        self.setup: Sequence[str] = list(setup)
        self.conda = conda
        self.uv = uv
        self.check = check
        self.found: Mapping[str, Any] | None = found

    def prepare(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        found = self.found or parent_like(self, SETTINGS).get("found")
        there = self._site.on(cluster, task, found)
        return Environment(
            [there.interpreter],
            there.setup,
            pythonpath=[on_cluster(path, cluster) for path in self.pythonpath],
            inherited={**self.inherited(), "found": there.found} if there.found else None,
            python=there.version,
        )

    def preview(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        there = self._site.preview(cluster)
        paths = [on_cluster(path, cluster, dry=True) for path in self.pythonpath]
        return Environment([there.interpreter], there.setup, pythonpath=paths)
