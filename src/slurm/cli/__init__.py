"""The command ``slurm``: subcommands, each a module that is imported when it is asked for.

They are `clean`, `cluster`, `config`, `dash`, `detect`, `doctor`, `init`, `jobs`, `launch`, `login`, `packages`, `policy`, `run`,
`runs`, `shell`, `slurm_job_list`, `submit`, `test_cluster`, `tree` and `verify`, of which `cluster`, `config`, `jobs`, `packages` and
`runs` are rooms of their own; `progress` shows files on their way, `output` has columns and colours, `job_output` prints what jobs have printed, `schemas` says what they print as
JSON.

A subcommand belongs here with its arguments and what it prints; what it shows comes from the rooms below, any of which
it may import. Its module has a click command, or a group of commands, as `command`; `commands` has what these are made
with. `slurm.config.command_line` has what other programs share with them. The overview of ``slurm --help`` is made from
the table below, without click and without any command's module.
"""

from __future__ import annotations

import os
import sys

from slurm import __version__
from slurm.config.command_line import exit_status

PURPOSE = "Look at, and look after, jobs of slurm-tasks."
# Name: the module that has it as `command`, and what it does, in one line.
COMMANDS = {
    "clean": ("slurm.cli.clean", "remove what jobs have left that no job needs any more"),
    "cluster": ("slurm.cli.cluster", "look at clusters: partitions, queue, round trip"),
    "config": ("slurm.cli.config", "look at what is set, and where"),
    "dash": ("slurm.cli.dash", "show your jobs as they come and go, in a terminal or a browser"),
    "detect": (
        "slurm.cli.detect",
        "say whether runs are jobs of Slurm or processes of this machine",
    ),
    "doctor": (
        "slurm.cli.doctor",
        "check whether jobs can be sent to a cluster, a line for each check",
    ),
    "init": ("slurm.cli.init", "write a first Slurmfile.toml, and check it"),
    "jobs": ("slurm.cli.jobs", "look at jobs that the SDK has submitted"),
    "launch": ("slurm.cli.launch", "begin a run of an iteration, and do not wait for it"),
    "login": ("slurm.cli.login", "authenticate once, for all programs that connect later"),
    "packages": (
        "slurm.cli.packages",
        "look at code, environments and images that are there, and remove old ones",
    ),
    "policy": ("slurm.cli.policy", "show, check and begin what a project decides about its runs"),
    "run": ("slurm.cli.run", "take all runs on as far as they can go now"),
    "runs": ("slurm.cli.runs", "look at runs, and after them"),
    "shell": ("slurm.cli.shell", "open a shell on a node of a job that runs"),
    "slurm-job-list": ("slurm.cli.slurm_job_list", "keep the ledger of runs, a line for each"),
    "submit": ("slurm.cli.submit", "submit a task of a file as a job, with its arguments"),
    "test-cluster": ("slurm.cli.test_cluster", "start, use and remove a real Slurm in Docker"),
    "tree": ("slurm.cli.tree", "show what a workflow and its jobs did"),
    "verify": (
        "slurm.cli.verify",
        "check runs by stage, a line for each check, with what mends it",
    ),
}
COMPLETE = "_SLURM_COMPLETE"  # set by the shell that asks click how a command may go on


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    >>> from slurm import cli
    >>> cli.main(["tree", "nowhere"])
    2
    """
    given = sys.argv[1:] if argv is None else argv
    first = "" if COMPLETE in os.environ else next(iter(given), "")
    if first in ("-h", "--help"):
        return exit_status("slurm", lambda: print(overview(), end=""))
    if first == "--version":
        return exit_status("slurm", lambda: print(f"slurm-tasks {__version__}"))
    from slurm.cli.commands import run

    return run(given)


def overview() -> str:
    """What ``slurm --help`` prints."""
    width = max(map(len, COMMANDS)) + 2
    listed = "".join(f"  {name:{width}}{purpose}\n" for name, (_, purpose) in COMMANDS.items())
    return (
        f"Usage: slurm [OPTIONS] COMMAND [ARGS]...\n\n  {PURPOSE}\n\n"
        "Options:\n  --version   Show the version and exit.\n  -h, --help  Show this message and exit.\n\n"
        f"Commands:\n{listed}\n"
        "Examples:\n  slurm tree --help\n  slurm tree ~/slurm_jobs/count_words\n"
    )
