"""A job, for what a process in it asks."""

from __future__ import annotations

from slurm import Cluster, task


@task
def ask() -> None:
    """What a process of a job does."""
    # the page goes on here


if __name__ == "__main__":
    with Cluster.from_env():
        ask().get_result()
