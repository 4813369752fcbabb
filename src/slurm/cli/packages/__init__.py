"""``slurm packages``: what lies on a cluster for jobs to run with, a module for each command.

`listing` (``list``), `removal` (``gc``); `words` has how both tell of one.
"""

from __future__ import annotations

from slurm.cli.commands import Group

COMMANDS = {
    "list": ("slurm.cli.packages.listing", "show code, environments and images that are there"),
    "gc": ("slurm.cli.packages.removal", "remove what no job uses any more"),
}
command: Group = Group(
    "packages",
    COMMANDS,
    help="Look at what lies on the cluster for jobs to run with, and remove what no job uses any more.",
    example="slurm packages list\nslurm packages gc --older-than 30d --dry-run",
)
