"""``slurm runs monitor``: ask the scheduler about runs, and bring home what is done."""

from __future__ import annotations

import argparse
from dataclasses import replace

import click

from slurm.cli.commands import Command, cluster_options
from slurm.cli.progress import transfers
from slurm.cli.runs.common import JSON, RUN_IDS, divided, leave, needs, say
from slurm.cli.runs.health import are_healthy
from slurm.cli.runs.watching import INTERVAL, WATCH, watch
from slurm.runs.advance import MONITORED, Advance
from slurm.runs.clusters import Clusters
from slurm.runs.manifest import Manifest
from slurm.runs.report import ExitStatus, Report, exit_status
from slurm.runs.selection import Selection, select
from slurm.runs.step import Action
from slurm.runs.verify import Stage

BY = "slurm runs monitor"
SHOWN = MONITORED | {Action.ASK}  # a person is told what only a person can do


@click.command(
    "monitor", cls=Command, example="slurm runs monitor\nslurm runs monitor --watch --interval 30"
)
@RUN_IDS
@WATCH
@INTERVAL
@JSON
@cluster_options
def command(
    run_ids: tuple[str, ...],
    watch_them: bool,
    interval: float,
    as_json: bool,
    cluster_args: argparse.Namespace,
) -> None:
    """Ask the scheduler about all runs at once, and write down what it says.

    The ledger's lines are repaired first, if they are missing or out of date. Artifacts of jobs that have completed are
    brought home, and so are the logs of those that failed. Metrics are left to slurm run and slurm runs extract. Where the
    policy requires it (requirements_by_stage.slurm_monitor.env_smoke), what fails of slurm verify --stage slurm_monitor is said.

    Exit status: 0 done, 1 unhealthy, 3 some go on, 4 one failed, 5 something is missing, 6 the scheduler does not answer: no status is
    changed then.
    """
    selection = select(run_ids)
    shown = not (as_json or watch_them)
    with Clusters(cluster_args) as clusters, transfers(shown=shown) as progress:
        advance = Advance(clusters, selection.policy, BY, actions=MONITORED, progress=progress)
        if watch_them:
            chosen = [one for one in selection.manifests if run_ids or needs(one) in SHOWN]
            watched = {one.path for one in chosen}
            reports = watch(
                advance, lambda: _of(watched, select(run_ids)), interval, as_json=as_json
            )
            leave(exit_status(map(_monitored, reports)))
            return
        chosen, others = divided(
            selection.manifests, lambda one: bool(run_ids) or needs(one) in SHOWN
        )
        reports = [*advance.all(chosen), *advance.enter(others)]
    reports = [_monitored(one) for one in reports]
    say(reports, selection.broken, as_json=as_json)
    healthy = are_healthy((one.manifest for one in reports), Stage.MONITOR, selection.policy)
    leave(ExitStatus.ERROR if selection.broken or not healthy else exit_status(reports))


def _monitored(report: Report) -> Report:
    """A run that is ready for extraction needs nothing more of a monitor."""
    over = report.status is ExitStatus.IN_PROGRESS and needs(report.manifest) is Action.EXTRACT
    return replace(report, status=ExitStatus.OK) if over else report


def _of(paths: set[str], selection: Selection) -> list[Manifest]:
    """Those that are watched, and those that were launched meanwhile."""
    return [one for one in selection.manifests if one.path in paths or needs(one) in SHOWN]
