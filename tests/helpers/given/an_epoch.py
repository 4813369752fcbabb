"""A task that is submitted under a name, on an active cluster."""

from __future__ import annotations

from slurm import Cluster, Job, task
from slurm.errors import SubmissionUnknown


@task
def train(epoch: int) -> int:
    """Does nothing that takes time."""
    return epoch


if __name__ == "__main__":
    given = (Job, SubmissionUnknown)
    with Cluster("local") as cluster:
        also_given = (cluster,)
        # the page goes on here
