"""``slurm cluster``: the clusters of the Slurmfile and what they offer, a module for each command.

`listing` (``list``), `info`, `queue`, `ping`.
"""

from __future__ import annotations

from slurm.cli.commands import Group

COMMANDS = {
    "list": ("slurm.cli.cluster.listing", "show the environments of the Slurmfile"),
    "info": ("slurm.cli.cluster.info", "show partitions, and what is free in them"),
    "queue": ("slurm.cli.cluster.queue", "show the jobs that have not ended"),
    "ping": ("slurm.cli.cluster.ping", "measure how long a cluster takes to answer"),
}
command: Group = Group(
    "cluster",
    COMMANDS,
    help="Look at the clusters that the Slurmfile describes.",
    example="slurm cluster list\nslurm cluster info --env gpu",
)
