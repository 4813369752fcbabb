"""``slurm run``: take the runs of the project on, as far as they can go now."""

from __future__ import annotations

import argparse

import click

from slurm.cli.commands import Command, cluster_options
from slurm.cli.progress import transfers
from slurm.cli.runs.common import JSON, RUN_IDS, divided, finish, needs
from slurm.runs.advance import Advance
from slurm.runs.clusters import Clusters
from slurm.runs.selection import select
from slurm.runs.step import Action


@click.command(
    "run", cls=Command, example="slurm run\nslurm run 20260218T160045Z --backend ssh --hostname hpc"
)
@RUN_IDS
@JSON
@cluster_options
def command(run_ids: tuple[str, ...], as_json: bool, cluster_args: argparse.Namespace) -> None:
    """Do for each run every step that is possible now, and never wait.

    That is: look up a submission whose answer was lost, submit what is not submitted, ask the scheduler, bring artifacts
    home, copy the logs of what failed, extract metrics, keep the ledger. Without RUN_ID: the runs of the iteration that the
    working directory is in, else those of the project, that have not ended.

    Exit status: 0 all have ended well, 3 some go on, 4 one failed, 5 something is missing, 6 the scheduler does not answer,
    7 nobody knows whether a run was submitted.
    """
    selection = select(run_ids)
    chosen, others = divided(
        selection.manifests, lambda one: bool(run_ids) or needs(one) is not Action.NOTHING
    )
    with Clusters(cluster_args) as clusters, transfers(shown=not as_json) as progress:
        advance = Advance(clusters, selection.policy, "slurm run", progress=progress)
        reports = [*advance.all(chosen), *advance.enter(others)]
    finish(reports, selection.broken, as_json=as_json)
