"""``slurm packages gc``: removing what no job uses any more."""

from __future__ import annotations

import argparse
import json
import time

import click

from slurm import Cluster
from slurm.api.stored_packages import RemovedPackages
from slurm.cli.commands import Checked, Command, cluster_options
from slurm.cli.output import printed
from slurm.cli.packages.words import as_json, table
from slurm.config.ages import age
from slurm.usage import format_size

DEFAULT = "30d"


@click.command(
    "gc",
    cls=Command,
    example="slurm packages gc --dry-run\nslurm packages gc --older-than 7d",
)
@click.option(
    "--older-than",
    type=Checked(age, "age"),
    default=DEFAULT,
    help=f"for how long nobody has used it: 30d, 12h, 90m, 10s (default {DEFAULT})",
)
@click.option("--dry-run", is_flag=True, help="remove nothing, say what would be removed")
@click.option("--json", "printed_as_json", is_flag=True, help="print one JSON object")
@cluster_options
def command(
    older_than: float, dry_run: bool, printed_as_json: bool, cluster_args: argparse.Namespace
) -> None:
    """Remove what no job uses that has not ended, and that was not used for some time.

    What a later job needs is made and sent again. Nothing is removed where the scheduler does not tell which jobs have not
    ended, nothing that was used in the last minute, and nothing that the SDK does not know.
    """
    cluster = Cluster.from_args(cluster_args)
    try:
        base = cluster.job_base_dir
        done = cluster.backend.remove_packages(base, older_than=older_than, dry_run=dry_run)
    finally:
        cluster.close()
    if printed_as_json:
        said = {
            "job_base_dir": base,
            "dry_run": dry_run,
            "removed": [as_json(one) for one in done.removed],
            "freed": done.freed,
            "used": done.used,
            "recent": done.recent,
        }
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
        return
    if done.removed:
        click.echo(table(done.removed, time.time()))
    click.echo(printed(f"{in_words(done, dry_run=dry_run)} in {base}"))


def in_words(done: RemovedPackages, *, dry_run: bool) -> str:
    """What became of all of them, in a line.

    >>> in_words(RemovedPackages((), 0, used=2, recent=1), dry_run=False)
    '0 removed, 0 bytes freed; 2 stay for jobs that have not ended, 1 for it was used lately'
    """
    removed = "would be removed" if dry_run else "removed"
    freed = "would be freed" if dry_run else "freed"
    said = f"{len(done.removed)} {removed}, {format_size(done.freed)} {freed}"
    stay = [f"{done.used} stay for jobs that have not ended"] if done.used else []
    stay += (
        [f"{done.recent} {'' if stay else 'stay '}for it was used lately"] if done.recent else []
    )
    return said + ("; " + ", ".join(stay) if stay else "")
