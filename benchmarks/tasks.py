"""Tasks that benchmarks run: in a module of their own, as a project has them."""

from __future__ import annotations

import os
import time

from slurm import task


@task(time="00:05:00", mem="100M")
def add(left: int, right: int) -> int:
    """Next to no work."""
    return left + right


@task(time="00:05:00", mem="100M")
def end_time() -> float:
    """When the task ended, by the clock that all containers of a machine share."""
    return time.time()


@task(time="00:05:00", mem="2G")
def noise(size: int) -> bytes:
    """A result of `size` bytes that nothing can make smaller."""
    return os.urandom(size)
