"""Tasks that tell in which environment of the site they run; the file travels with the jobs."""

from __future__ import annotations

import os
import sys

from slurm import task, workflow


@task(time="00:02:00", mem="100M")
def environment() -> dict[str, str]:
    """Which Python runs it, and what a module of the site has set."""
    return {"prefix": sys.prefix, "TOOL_VERSION": os.environ.get("TOOL_VERSION", "")}


@workflow(time="00:05:00", mem="200M")
def children_see() -> list[dict[str, str]]:
    """A job of it, and the workflow itself."""
    return [environment.unwrapped(), environment().get_result()]
