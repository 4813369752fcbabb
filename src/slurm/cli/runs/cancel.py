"""``slurm runs cancel``: cancel the jobs of runs."""

from __future__ import annotations

import argparse

import click

from slurm.cli.commands import TEXT, Command, cluster_options
from slurm.cli.runs.common import JSON, finish
from slurm.runs.cancel import cancel
from slurm.runs.clusters import Clusters
from slurm.runs.selection import select


@click.command("cancel", cls=Command, example="slurm runs cancel 20260218T160045Z")
@click.argument("run_ids", metavar="RUN_ID...", nargs=-1, required=True, type=TEXT)
@JSON
@cluster_options
def command(run_ids: tuple[str, ...], as_json: bool, cluster_args: argparse.Namespace) -> None:
    """Cancel the job of each run; one that was never submitted is given up.

    A run whose submission's answer was lost is looked up first. What a job that was cancelled has left is brought home by
    slurm run, as after any other failure.

    Exit status: 4 they are cancelled, which is a failure; 3 a job is still ending; 0 all had completed before; 6 the scheduler
    does not answer; 7 nobody knows whether the run was submitted.
    """
    selection = select(run_ids)
    with Clusters(cluster_args) as clusters:
        reports = cancel(selection.manifests, clusters, selection.policy)
    finish(reports, selection.broken, as_json=as_json)
