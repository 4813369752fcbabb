"""``slurm jobs``: the commands that look at jobs, a module each.

`listing`, `cancel`, `logs`, `waiting`, `show`, `efficiency` and `rerun`, with `sbatch_words`; `found` finds the job that was named, `report` is what is told of one, `tables` has columns.
"""

from __future__ import annotations

from slurm.cli.commands import Group

COMMANDS = {
    "list": ("slurm.cli.jobs.listing", "list jobs: those that go on, and those that ended lately"),
    "cancel": ("slurm.cli.jobs.cancel", "cancel jobs: those named, or all that match"),
    "rerun": ("slurm.cli.jobs.rerun", "submit a job again, or what failed of an array"),
    "logs": ("slurm.cli.jobs.logs", "print what a job prints, as it is written"),
    "wait": ("slurm.cli.jobs.waiting", "wait until jobs have ended, and tell somebody"),
    "show": ("slurm.cli.jobs.show", "show all that is known of a job"),
    "efficiency": (
        "slurm.cli.jobs.efficiency",
        "show what a job used of what it asked for, and what would do",
    ),
}
command: Group = Group(
    "jobs",
    COMMANDS,
    help="Look at your jobs.",
    example="slurm jobs list\nslurm jobs show 4711",
)
