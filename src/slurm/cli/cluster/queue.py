"""``slurm cluster queue``: the jobs that have not ended."""

from __future__ import annotations

import argparse
import contextlib
import json

import click

from slurm import Cluster
from slurm.cli.commands import Command, cluster_options
from slurm.cli.output import in_columns
from slurm.cluster_checks.offers import queue

COLUMNS = (
    *("job_id", "name", "user", "partition", "state", "time"),
    *("time_limit", "nodes", "cpus", "reason"),
)


@click.command(
    "queue", cls=Command, example="slurm cluster queue\nslurm cluster queue --all-users --json"
)
@click.option("--all-users", is_flag=True, help="show the jobs of everybody")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@cluster_options
def command(all_users: bool, as_json: bool, cluster_args: argparse.Namespace) -> None:
    """Show the jobs of yours that have not ended, whoever submitted them; what an array still has to begin is one row.

    REASON is why a job waits, or the nodes that it runs on.
    """
    with contextlib.closing(Cluster.from_args(cluster_args)) as cluster:
        found = queue(cluster, all_users=all_users)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    if not found["jobs"]:
        click.echo("no job waits or runs")
        return
    rows = [tuple(one[name] for name in COLUMNS) for one in found["jobs"]]
    click.echo(in_columns([tuple(name.upper() for name in COLUMNS), *rows], (7, 8)))
    if not found["complete"]:
        click.echo(f"slurm cluster queue: there are more than {len(rows)} jobs", err=True)
