"""What jobs submitted from inside a workflow's job take over from it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slurm.errors import ConfigError
from slurm.packaging.base import PackagedTask, PackagingStrategy
from slurm.rendering import Environment

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.task import SlurmTask

VARIABLE = "SLURM_SDK_PACKAGING_CONFIG"


class InheritPackagingStrategy(PackagingStrategy):
    """Packages a task as the workflow job was from which it is submitted, without building anything.

    This is what a workflow's tasks have anyway; naming it refuses them everywhere else, with a
    `ConfigError`.

    >>> InheritPackagingStrategy().inherited()
    {'type': 'inherit'}
    """

    def prepare(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        """What the workflow's own strategy would. Raises `ConfigError` outside of a workflow's job.

        >>> try:
        ...     InheritPackagingStrategy().prepare(double, cluster)
        ... except ConfigError as error:
        ...     print(str(error).partition(",")[0])
        double has the packaging 'inherit'
        """
        return _parents(task, cluster).prepare()

    def preview(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        return _parents(task, cluster).preview()

    def forget(self, gone: Sequence[str], cluster: Cluster) -> None:
        from slurm.packaging.by_name import strategy_of  # late: this strategy is one of those

        settings = settings_of_parent()
        if settings is not None and settings.get("type") != "inherit":
            strategy_of(settings).forget(gone, cluster)


def _parents(task: SlurmTask[Any, Any], cluster: Cluster) -> PackagedTask:
    """The task, packaged as the workflow job around this process is."""
    from slurm.packaging.by_name import strategy_of  # late: this strategy is one of those

    settings = settings_of_parent()
    if settings is None or settings.get("type") == "inherit":
        raise ConfigError(
            f"{task.name} has the packaging 'inherit', that of the workflow job it is submitted from, "
            "and this is none: submit it in a workflow, or give it another packaging"
        )
    return PackagedTask(strategy_of(settings), task, cluster)


def settings_of_parent() -> dict[str, Any] | None:
    """The packaging of the workflow job in which this process runs; None outside of one."""
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    try:
        settings = json.loads(text)
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise ConfigError(f"{VARIABLE} is set to {text[:80]!r}, which is no packaging: unset it")
    return settings


def parent_like(strategy: PackagingStrategy, alike: Sequence[str]) -> dict[str, Any]:
    """The settings of the workflow job around this process, where those named in `alike` are the same; else nothing."""
    parent = settings_of_parent() or {}
    mine = strategy.inherited() if parent else {}
    same = all(parent.get(name) == mine.get(name) for name in ("type", *alike))
    return parent if same else {}
