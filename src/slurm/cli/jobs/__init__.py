"""``slurm jobs``: the commands that look at jobs, a module each.

`show`; `found` finds the job that was named, `report` is what is told of one.
"""

from __future__ import annotations

from slurm.cli.commands import Group

COMMANDS = {
    "show": ("slurm.cli.jobs.show", "show all that is known of a job"),
}
command: Group = Group(
    "jobs",
    COMMANDS,
    help="Look at jobs that the SDK has submitted.",
    example="slurm jobs show 4711",
)
