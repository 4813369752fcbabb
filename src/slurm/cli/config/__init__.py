"""``slurm config``: what is set, and where.

`show` prints it; `in_force` finds out what holds.
"""

from __future__ import annotations

from slurm.cli.commands import Group

COMMANDS = {"show": ("slurm.cli.config.show", "show each setting in force, and where it is from")}
command: Group = Group(
    "config",
    COMMANDS,
    help="Look at what is set by options, environment variables and Slurmfile.toml.",
    example="slurm config show",
)
