"""What comes before a part of a program about one task."""

from __future__ import annotations

from slurm import Cluster, task
from slurm.callbacks import BenchmarkCallback


@task
def train(seed: int) -> int:
    """Does nothing that takes time."""
    return seed


if __name__ == "__main__":
    given = (Cluster, BenchmarkCallback)
    # the page goes on here
