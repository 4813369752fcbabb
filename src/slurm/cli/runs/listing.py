"""``slurm runs list``: the runs of a project in a table."""

from __future__ import annotations

import argparse
import json

import click

from slurm.cli.commands import Command, cluster_options
from slurm.cli.output import printed
from slurm.cli.runs.common import JSON, RUN_IDS, leave
from slurm.cli.runs.table import plain
from slurm.cli.runs.watching import INTERVAL, WATCH, watch
from slurm.runs.advance import MONITORED, Advance
from slurm.runs.clusters import Clusters
from slurm.runs.lifecycle import RunStatus
from slurm.runs.manifest import Manifest
from slurm.runs.moments import now
from slurm.runs.report import ExitStatus, report_of
from slurm.runs.selection import Selection, select


@click.command(
    "list", cls=Command, example="slurm runs list\nslurm runs list --status failed --json"
)
@RUN_IDS
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([str(one) for one in RunStatus]),
    help="only runs of this status; may be given again",
)
@WATCH
@INTERVAL
@JSON
@cluster_options
def command(
    run_ids: tuple[str, ...],
    statuses: tuple[str, ...],
    watch_them: bool,
    interval: float,
    as_json: bool,
    cluster_args: argparse.Namespace,
) -> None:
    """Show the runs of the iteration that the working directory is in, else those of the project.

    What is shown is what their manifests say. With --watch the scheduler is asked, as by slurm runs monitor: once for all
    of them.

    Exit status: 0, or 1 where a manifest cannot be read.
    """

    def chosen(selection: Selection) -> list[Manifest]:
        return [one for one in selection.manifests if not statuses or one.status in statuses]

    selection = select(run_ids)
    if watch_them:
        with Clusters(cluster_args) as clusters:
            advance = Advance(clusters, selection.policy, "slurm runs list", actions=MONITORED)
            watch(advance, lambda: chosen(select(run_ids)), interval, as_json=as_json)
        return
    runs = chosen(selection)
    errors = [str(one) for one in selection.broken]
    if as_json:
        said = {"runs": [report_of(one).as_json for one in runs], "errors": errors}
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
    elif runs:
        click.echo(plain(runs, now()))
    else:
        such = "such " if statuses else ""
        click.echo(f"there is no {such}run here; slurm launch begins one")
    for error in errors if not as_json else ():
        click.echo(printed(error), err=True)
    leave(ExitStatus.ERROR if errors else ExitStatus.OK)
