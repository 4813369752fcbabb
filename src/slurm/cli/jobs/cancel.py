"""``slurm jobs cancel``: have the scheduler cancel jobs."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time

import click

from slurm import Cluster
from slurm.agent.job_ids import collapse_job_ids
from slurm.cli.commands import TEXT, Command, cluster_options
from slurm.cli.jobs.found import absolute
from slurm.cli.jobs.listing import token_of
from slurm.cli.output import printed
from slurm.config.ages import age
from slurm.errors import ConfigError
from slurm.job_list import Filter, ListedJob, jobs_in
from slurm.job_list.chosen import in_words, named
from slurm.job_list.filters import states_of

LATELY = age("1d")
MANY = 20  # jobs that are named in lines of their own


@click.command(
    "cancel",
    cls=Command,
    example="slurm jobs cancel 4711 4712_3\nslurm jobs cancel --task train --state pending\nslurm jobs cancel --all-mine --yes",
)
@click.argument("jobs", metavar="[JOB]...", nargs=-1, type=TEXT)
@click.option("--name", type=TEXT, metavar="PATTERN", help="all with this name, as 'train*'")
@click.option("--task", type=TEXT, metavar="PATTERN", help="all of this task")
@click.option("--key", type=TEXT, help="what was submitted with this key")
@click.option("--state", type=TEXT, metavar="STATES", help="all in one of these states: pending")
@click.option("--ours", is_flag=True, help="all that the SDK has submitted")
@click.option("--all-mine", is_flag=True, help="all of yours, whoever has submitted them")
@click.option("--yes", is_flag=True, help="do not ask before several are cancelled")
@cluster_options
def command(  # noqa: PLR0913 - they are options
    jobs: tuple[str, ...],
    name: str | None,
    task: str | None,
    key: str | None,
    state: str | None,
    ours: bool,
    all_mine: bool,
    yes: bool,
    cluster_args: argparse.Namespace,
) -> None:
    """Cancel jobs that have not ended: those named, or all that the options match.

    JOB is the id of a job, of an array or of elements (12_3, 12_[0-4]), or the directory of a job on the cluster. Options
    together mean jobs that match all of them; before they cancel anything, they ask. The scheduler is asked first whose an
    id is now: it may have been given to another job since.
    """
    wanted = Filter(name or "", task or "", token_of(key), states_of(state or ""), ours, live=True)
    if bool(jobs) is bool(all_mine or wanted != Filter(live=True)):
        raise ConfigError(
            "name JOBs, or say by options which are meant: --name, --task, --key, --state, --ours, --all-mine"
            + (" (not both)" if jobs else "")
        )
    if not (jobs or yes or sys.stdin.isatty()):
        raise ConfigError(
            "it asks before it cancels what options match, and nobody is there: add --yes"
        )
    cluster = Cluster.from_args(cluster_args)
    with contextlib.closing(cluster):
        listing = cluster.backend.list_jobs(cluster.job_base_dir, since=time.time() - LATELY)
        each = jobs_in(listing, elements=True)
        if jobs:
            chosen = [job for word in jobs for job in named(absolute(cluster, word), each)]
            _say_ended(jobs, chosen)
            chosen = list({job.job_id: job for job in chosen if job.live}.values())
        else:
            chosen = wanted.of(each)
        if not chosen:
            click.echo("there is nothing to cancel", err=True)
            return
        words = _together(chosen)
        if not (jobs or yes) and not click.confirm(printed(f"cancel {in_words(words)}?"), err=True):
            click.echo("nothing was cancelled", err=True)
            return
        cluster.backend.cancel_jobs([job.job_id for job in chosen])
    for job in words[:MANY]:
        click.echo(printed(f"cancelled {job.job_id} {job.name}"))
    if len(words) > MANY:
        click.echo(f"and {len(words) - MANY} more")


def _together(jobs: list[ListedJob]) -> list[ListedJob]:
    """The same with elements of an array as one, for words about them."""
    from dataclasses import replace

    by_number = {job.number: job for job in jobs}
    return [
        replace(by_number[word.partition("_")[0]], job_id=word)
        for word in collapse_job_ids([job.job_id for job in jobs])
    ]


def _say_ended(words: tuple[str, ...], chosen: list[ListedJob]) -> None:
    """Of single jobs that were named and have ended already, how."""
    ended = [job for job in chosen if not job.live and job.job_id in words]
    for job in ended:
        said = f"slurm jobs cancel: job {job.job_id} ({job.name}) has ended already: {job.state}"
        click.echo(printed(said), err=True)
