"""Tasks that benchmarks run: in a module of their own, as a project has them."""

from __future__ import annotations

from slurm import task


@task(time="00:05:00", mem="100M")
def add(left: int, right: int) -> int:
    """Next to no work."""
    return left + right
