"""An array that has been mapped, for what is done with its results."""

from __future__ import annotations

from slurm import Cluster, as_completed, task


@task
def count(number: int) -> int:
    """Does nothing that takes time."""
    return number


if __name__ == "__main__":
    given = (as_completed,)
    with Cluster("local"):
        counts = count.map([3, 4])
        # the page goes on here
