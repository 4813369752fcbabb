"""``slurm launch``: begin a run of an iteration."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import click

from slurm.cli.commands import Command, cluster_options
from slurm.cli.runs.common import JSON, PLACE, leave, reaching, say
from slurm.cli.runs.health import are_healthy
from slurm.runs.advance import BEGINNING, Advance
from slurm.runs.clusters import Clusters
from slurm.runs.detect import detect
from slurm.runs.environment import Iteration, try_out
from slurm.runs.launch import (
    launch_of,
    new_manifest,
    preview,
    waiting_run,
)
from slurm.runs.policy import load_policy
from slurm.runs.report import ExitStatus
from slurm.runs.verify import Stage

BY = "slurm launch"


@click.command(
    "launch", cls=Command, example="slurm launch --dry-run\nslurm launch --iteration plan/iter1"
)
@click.option(
    "--iteration",
    type=PLACE,
    metavar="DIR",
    help="the iteration's directory (default: the one the working directory is in)",
)
@click.option(
    "--design",
    type=PLACE,
    metavar="FILE",
    help="the design.yaml that says where it runs (default: the iteration's)",
)
@click.option("--dry-run", is_flag=True, help="only try it out and show what would be submitted")
@JSON
@cluster_options
def command(
    iteration: Path | None,
    design: Path | None,
    dry_run: bool,
    as_json: bool,
    cluster_args: argparse.Namespace,
) -> None:
    """Submit the iteration's run_slurm.sbatch, or run its run_local.sh, and do not wait for it.

    The run's manifest is written before the scheduler is asked, its line in the ledger after. Where the policy has a
    dry_run_command, that is run first. A run of the iteration that is written down but not submitted yet, because the
    scheduler had refused it, is submitted in place of a new one.

    Where the policy requires it (requirements_by_stage.launch.env_smoke), the run's health is looked at afterwards: what fails
    of slurm verify --stage launch is said.

    Exit status: 0 launched, 1 refused, or unhealthy, 6 the scheduler does not answer, 7 nobody knows whether it was submitted. After 6 and 7
    slurm run goes on with a run that is written down; where none is, nobody could be asked where its job would be.
    """
    start = iteration or Path.cwd()
    policy = load_policy(start)
    clusters = Clusters(cluster_args, start)
    detected = detect(start, design=design, backend=clusters.backend)
    launch = launch_of(detected, policy, iteration)
    said = try_out(policy, Iteration(launch.iteration, launch.iteration_id, launch.host_mode))
    if said:
        click.echo(said, nl=not said.endswith("\n"), err=True)
    with reaching(), clusters:
        cluster = clusters.for_mode(launch.host_mode)
        if dry_run:
            request = preview(launch, cluster)
            shown = {"command": request.argv, "script": request.files[request.script].decode()}
            click.echo(json.dumps(shown, indent=2) if as_json else str(request).rstrip("\n"))
            return
        advance = Advance(clusters, policy, BY, actions=BEGINNING)
        waiting = waiting_run(launch)
        if waiting is None:
            report = advance.submit(new_manifest(launch, policy, cluster))
        else:
            [report] = advance.all([waiting])
    say([report], (), as_json=as_json)
    launched = report.status is ExitStatus.IN_PROGRESS
    if launched and not are_healthy([report.manifest], Stage.LAUNCH, policy):
        leave(ExitStatus.ERROR)
    if report.status is not ExitStatus.IN_PROGRESS:  # then it is launched, as was asked for
        leave(report.status)
