"""``slurm jobs list``: the jobs of a user."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import time
from collections.abc import Sequence

import click

from slurm import Cluster
from slurm.cli.commands import COUNT, TEXT, Checked, Command, cluster_options
from slurm.cli.jobs.tables import in_table
from slurm.cli.output import printed
from slurm.config.ages import age
from slurm.job_list import Filter, ListedJob, jobs_in
from slurm.job_list.as_json import as_json
from slurm.job_list.filters import states_of

SINCE = "1d"
AT_ALL = 3650 * 86400.0  # seconds


@click.command(
    "list",
    cls=Command,
    example="slurm jobs list\nslurm jobs list --state failed --since 7d\nslurm jobs list --task 'train*' --ours --json",
)
@click.option(
    "--name",
    type=str,
    default="",
    metavar="PATTERN",
    help="only those with this name, as 'train*'",
)
@click.option("--task", type=str, default="", metavar="PATTERN", help="only those of this task")
@click.option("--key", type=TEXT, help="only what was submitted with this key")
@click.option(
    "--state",
    type=str,
    default="",
    metavar="STATES",
    help="only those in one of these states: running,PD",
)
@click.option(
    "--since",
    type=Checked(age, "age"),
    default=SINCE,
    help=f"for how long what has ended is listed: 12h, 7d (default {SINCE})",
)
@click.option("--all", "every", is_flag=True, help="all that is on record, however old")
@click.option("--ours", is_flag=True, help="only what the SDK has submitted")
@click.option("--elements", is_flag=True, help="a row for each element of an array")
@click.option("--limit", type=COUNT, help="only the last so many")
@click.option("--json", "printed_as_json", is_flag=True, help="print one JSON object")
@cluster_options
def command(  # noqa: PLR0913 - they are options
    name: str,
    task: str,
    key: str | None,
    state: str,
    since: float,
    every: bool,
    ours: bool,
    elements: bool,
    limit: int | None,
    printed_as_json: bool,
    cluster_args: argparse.Namespace,
) -> None:
    """List your jobs, the one submitted last at the end: those that have not ended, and those that ended lately.

    A name with a * behind it is of a job that the SDK has not submitted. An array is one row, with how many of its elements
    are in which state. Where nobody knows how a job ended, it is UNKNOWN.
    """
    wanted = Filter(name, task, token_of(key), states_of(state), ours, limit=limit)
    cluster = Cluster.from_args(cluster_args)
    with contextlib.closing(cluster):
        base = cluster.job_base_dir
        start = time.time() - (AT_ALL if every else since)
        listing = cluster.backend.list_jobs(base, since=start)
    jobs = wanted.of(jobs_in(listing, elements=elements))
    if printed_as_json:
        click.echo(json.dumps(as_json(jobs, base, listing.problem), indent=2, ensure_ascii=False))
        return
    _show(jobs, listing.now)
    if listing.problem:
        said = f"accounts give no answer, so jobs that have ended may be missing: {listing.problem}"
        click.echo(printed(f"slurm jobs list: {said}"), err=True)


def token_of(key: str | None) -> str:
    from slurm.submit.calls import token_of_key

    return "" if key is None else token_of_key(key)


def _show(jobs: Sequence[ListedJob], now: float) -> None:
    if jobs:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        in_table(jobs, now, width)
    else:
        click.echo("there are no such jobs", err=True)
