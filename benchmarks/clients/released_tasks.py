"""The tasks of the released slurm-sdk, which its nodes import."""

from __future__ import annotations

import time

from slurm import task


@task(time="00:05:00", mem="100M")
def add(left: int, right: int) -> int:
    """Next to no work."""
    return left + right


@task(time="00:05:00", mem="100M")
def end_time() -> float:
    """When the task ended."""
    return time.time()
