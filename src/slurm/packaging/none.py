"""No packaging: the user's own imports are there already."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slurm.config.checks import check_text
from slurm.errors import ConfigError
from slurm.packaging.base import PackagingStrategy, interpreter_on
from slurm.rendering import Environment

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.task import SlurmTask


class NonePackagingStrategy(PackagingStrategy):
    """Runs tasks with the Python that is there. The SDK itself still travels by its own.

    `python` is the interpreter on the nodes (default: the cluster's); `pythonpath` lists directories
    on the nodes that hold the modules tasks import. Raises `ConfigError`.

    >>> NonePackagingStrategy(pythonpath=["/home/me/project/src"]).inherited()
    {'type': 'none', 'python': None, 'pythonpath': ['/home/me/project/src']}
    """

    def __init__(
        self, *, python: str | None = None, pythonpath: Sequence[str | os.PathLike[str]] = ()
    ) -> None:
        if isinstance(pythonpath, str):
            raise ConfigError(f"pythonpath is a list of directories, not the text {pythonpath!r}")
        if python is not None:
            check_text("python", python)
        self.python = python
        self.pythonpath: Sequence[str] = [os.fspath(path) for path in pythonpath]

    def prepare(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        return Environment([interpreter_on(cluster, self.python)], pythonpath=self.pythonpath)

    def preview(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        return Environment([self.python or cluster.python], pythonpath=self.pythonpath)
