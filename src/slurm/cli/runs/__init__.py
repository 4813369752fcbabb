"""``slurm runs``: the commands that look at runs and after them, a module each.

`listing` (``list``), `show`, `monitor`, `sync`, `extract`, `mark`, `adopt`, `cancel`, `next_steps` (``next``); `common` has
what they share, `health` what the policy wants looked at, `table` and `watching` what several runs look like.
"""

from __future__ import annotations

from slurm.cli.commands import Group

COMMANDS = {
    "list": ("slurm.cli.runs.listing", "show the runs of the project in a table"),
    "show": ("slurm.cli.runs.show", "show all that is known of a run"),
    "monitor": ("slurm.cli.runs.monitor", "ask the scheduler, and bring home what is done"),
    "sync": ("slurm.cli.runs.sync", "bring a run's artifacts home"),
    "extract": (
        "slurm.cli.runs.extract",
        "compute a run's metrics, or say what is missing for them",
    ),
    "mark": ("slurm.cli.runs.mark", "write down how a run ended, which nobody else can tell"),
    "adopt": ("slurm.cli.runs.adopt", "make a run of a job that was submitted by hand"),
    "cancel": ("slurm.cli.runs.cancel", "cancel the jobs of runs"),
    "next": ("slurm.cli.runs.next_steps", "say what each run needs next"),
}
command: Group = Group(
    "runs",
    COMMANDS,
    help="Look at runs, and after them.",
    example="slurm runs list\nslurm runs monitor --watch",
)
