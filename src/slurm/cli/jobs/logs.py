"""``slurm jobs logs``: what jobs print."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence

import click

from slurm import ArrayJob, Cluster
from slurm.cli.commands import COUNT, TEXT, Command, cluster_options
from slurm.cli.job_output import ERRORS, JobOutput, is_on_terminal
from slurm.cli.jobs.found import Found, found_or_plain, is_plain
from slurm.cli.output import printed as plain
from slurm.errors import ConfigError
from slurm.results import following, logs
from slurm.results.plain_jobs import path_of_output
from slurm.tracking.record import JobRecord


@click.command(
    "logs",
    cls=Command,
    example="slurm jobs logs 4711\nslurm jobs logs 4712 --follow --both\nslurm jobs logs 4712_3 --stderr --lines 50",
)
@click.argument("job", metavar="JOB", type=TEXT)
@click.option("-f", "--follow", is_flag=True, help="go on until it has ended")
@click.option("--stderr", is_flag=True, help="what it prints to stderr, and not to stdout")
@click.option("--both", is_flag=True, help="both, each to where it was printed")
@click.option(
    "-n", "--lines", type=COUNT, help="only the last so many lines, and what comes after them"
)
@cluster_options
def command(
    job: str,
    follow: bool,
    stderr: bool,
    both: bool,
    lines: int | None,
    cluster_args: argparse.Namespace,
) -> None:
    """Print what a job prints.

    JOB is an id or a directory, as slurm jobs show takes it, or the id of a job that the SDK has not submitted: that prints to
    a file that Slurm names as long as it remembers the job. Of an array, each line stands behind the index of its element:
    3| text. Items of a pack share the output of their job. A job that has not begun is waited for with --follow, and one that
    is put into the queue again is followed through that.

    A pipe or a file gets the bytes that the job wrote. On a terminal, colours, tabs and bars of progress look as they were
    meant, and other commands for a terminal are shown as text: ^[[2J.
    """
    if stderr and both:
        raise ConfigError("--stderr is one of the two that --both are: leave one out")
    streams = [logs.STDOUT, logs.STDERR] if both else [logs.STDERR if stderr else logs.STDOUT]
    cluster = Cluster.from_args(cluster_args)
    with contextlib.ExitStack() as kept:
        kept.enter_context(contextlib.closing(cluster))
        jobs = found_or_plain(cluster, job)
        is_array = len(jobs) > 1 or isinstance(jobs[0], ArrayJob)
        output = kept.enter_context(JobOutput(apart=is_array))
        records = [record for one in jobs for record in _records(one, streams)]
        pieces = following.printed(records, streams, follow=follow, lines=lines, errors=ERRORS)
        if is_array:
            pieces = following.with_prefixes(pieces, overwriting=is_on_terminal())
        for piece in pieces:
            if piece.anew:
                said = f"slurm jobs logs: job {piece.record.id} begins anew"
                click.echo(plain(said), err=True)
            output.write(piece.text, err=both and piece.stream is logs.STDERR)


def _records(job: Found, streams: Sequence[logs.Stream]) -> list[JobRecord]:
    if isinstance(job, ArrayJob):
        job.known.meet()
        return following.lone(job.records)
    [record] = job.records
    record.meet()
    if is_plain(job):
        paths = {one: path_of_output(record.site.backend, record.id, one) for one in streams}
        record.note_options({one.option: path.replace("%", "%%") for one, path in paths.items()})
    return [record]
