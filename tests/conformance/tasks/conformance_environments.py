"""Tasks that tell in which environment of the site they run. The file travels to clusters that have no such module."""

from __future__ import annotations

import os
import sys
from typing import Any

from slurm import task, workflow


@task
def variable(name: str) -> str:
    """What the setup has exported under a name."""
    return os.environ[name]


@workflow
def children_see(name: str) -> list[Any]:
    """What jobs of a workflow see, and the workflow itself."""
    return [os.environ[name], *(variable(name).get_result() for _ in range(2))]


@task
def prefix() -> str:
    return sys.prefix
