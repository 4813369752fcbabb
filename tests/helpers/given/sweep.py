"""A task that is swept."""

from __future__ import annotations

from slurm import Cluster, as_completed, task


@task
def train(rate: float) -> float:
    """A loss."""
    return round(rate * rate, 6)


if __name__ == "__main__":
    given = (as_completed,)
    with Cluster.from_env() as cluster:
        also_given = (cluster,)
        # the page goes on here
