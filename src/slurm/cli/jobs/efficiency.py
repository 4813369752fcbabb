"""``slurm jobs efficiency``: what a job used of what it asked for."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Iterator

import click

from slurm import ArrayJob, Cluster
from slurm.cli.commands import TEXT, Command, cluster_options
from slurm.cli.jobs.found import Found, found
from slurm.cli.output import printed
from slurm.results import following, logs
from slurm.results.efficiency import Efficiency, efficiency_of, of_record, together
from slurm.usage import read_accounts


@click.command(
    "efficiency",
    cls=Command,
    example="slurm jobs efficiency 4711\nslurm jobs efficiency 4712 --json",
)
@click.argument("job", metavar="JOB", type=TEXT)
@click.option("--json", "printed_as_json", is_flag=True, help="print one JSON object")
@cluster_options
def command(job: str, printed_as_json: bool, cluster_args: argparse.Namespace) -> None:
    """Show what a job used of the processors, the memory and the time that it asked for, and what would do.

    JOB is an id or a directory, as slurm jobs show takes it. Of an array, it is the most that one of its elements used, and
    how busy their processors were on average. What a job used is on record when it has ended, where accounts are kept; while
    a job runs, its nodes tell what it has used so far.
    """
    cluster = Cluster.from_args(cluster_args)
    with contextlib.closing(cluster):
        one = found(cluster, job)
        used, elements = efficiency(one)
    if printed_as_json:
        said = used.as_json()
        if elements:
            said["elements"] = [element.as_json() for element in elements]
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
        return
    for name, value in in_words(used):
        click.echo(printed(f"{name + ':':<8} {value}"))


def efficiency(job: Found) -> tuple[Efficiency, list[Efficiency]]:
    """That of a job; of an array that of all of it, and those of its tasks."""
    if not isinstance(job, ArrayJob):
        [record] = job.records
        job.get_status()
        return of_record(record), []
    job.known.meet()
    records = following.lone(job.records)
    options = logs.options_of(records[0])
    accounts = read_accounts(job.cluster.backend.query_usage([record.id for record in records]))
    each = [
        efficiency_of(record.id, record.status.state, accounts[record.id], options)
        for record in records
        if record.id in accounts
    ]
    return together(each, job.id, options), each


def in_words(used: Efficiency) -> Iterator[tuple[str, str]]:
    """All of it, each with its name."""
    yield "job", f"{used.job_id} {used.state}"
    yield from used.lines()
    for one in used.advice:
        yield "advice", one
