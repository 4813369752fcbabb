"""What a packaging strategy must be able to do."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any

from slurm.rendering import Environment

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.task import SlurmTask


class PackagingStrategy(abc.ABC):
    """Brings user code to the nodes and says how a job script starts Python with it."""

    @abc.abstractmethod
    def prepare(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        """Do what has to be done before a job of `task` can run on `cluster`."""

    @abc.abstractmethod
    def inherited(self) -> dict[str, Any]:
        """The packaging configuration for jobs submitted from inside a job; plain JSON."""
