"""``slurm packages list``: what lies on a cluster for jobs to run with."""

from __future__ import annotations

import argparse
import json
import time

import click

from slurm import Cluster
from slurm.cli.commands import Command, cluster_options
from slurm.cli.output import printed
from slurm.cli.packages.words import as_json, table
from slurm.usage import format_size


@click.command(
    "list", cls=Command, example="slurm packages list\nslurm packages list --backend ssh --json"
)
@click.option("--json", "printed_as_json", is_flag=True, help="print one JSON object")
@cluster_options
def command(printed_as_json: bool, cluster_args: argparse.Namespace) -> None:
    """Show the copies of code, environments, wheels, images and SDKs in the job_base_dir, with sizes and ages.

    JOBS is how many jobs that have not ended use it. A file that several of them have counts once in the sum.
    """
    cluster = Cluster.from_args(cluster_args)
    try:
        base = cluster.job_base_dir
        found = cluster.backend.list_packages(base)
    finally:
        cluster.close()
    if printed_as_json:
        said = {
            "job_base_dir": base,
            "size": found.size,
            "problem": found.problem,
            "packages": [as_json(one) for one in found.packages],
        }
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
        return
    if found.packages:
        click.echo(table(found.packages, time.time()))
        click.echo(printed(f"{format_size(found.size)} in {base}"))
    else:
        click.echo(printed(f"there is nothing in {base} for jobs to run with"))
    if found.problem:
        said_why = f"nobody can tell which jobs have not ended: {found.problem}"
        click.echo(printed(f"slurm packages list: {said_why}"), err=True)
