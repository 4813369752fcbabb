"""``slurm runs adopt``: make a run of a job that was submitted by hand."""

from __future__ import annotations

import argparse
from pathlib import Path

import click

from slurm.cli.commands import TEXT, Command, cluster_options
from slurm.cli.runs.common import JSON, leave, reaching, say
from slurm.runs.adopt import adopt
from slurm.runs.clusters import Clusters
from slurm.runs.report import ExitStatus
from slurm.runs.selection import select


@click.command(
    "adopt",
    cls=Command,
    example="slurm runs adopt 4711 --iteration plan/iter1\nslurm runs adopt 4711 --run 20260218T160045Z",
)
@click.argument("job_id", metavar="JOB_ID", type=TEXT)
@click.option("--run", "run_id", type=TEXT, help="the run whose job it is (default: a new one)")
@click.option(
    "--iteration",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="the iteration of a new run (default: the one the working directory is in)",
)
@click.option(
    "--remote", type=TEXT, metavar="DIR", help="where the job leaves its artifacts, on the cluster"
)
@JSON
@cluster_options
def command(
    job_id: str,
    run_id: str | None,
    iteration: Path | None,
    remote: str | None,
    as_json: bool,
    cluster_args: argparse.Namespace,
) -> None:
    """Have a job that somebody has submitted with sbatch be a run: with a manifest, a line in the ledger, and all that follows.

    With --run it is the job of a run of which nobody knew whether it was submitted.

    Exit status: 0 adopted, 1 the run has another job or the job is another run's, 2 the scheduler does not know the job, 6 it
    does not answer.
    """
    selection = select([run_id] if run_id else ())
    known = select().manifests if run_id is None else selection.manifests
    with reaching(), Clusters(cluster_args) as clusters:
        report = adopt(
            job_id,
            clusters,
            selection.policy,
            run=known[0] if run_id else None,
            iteration=iteration,
            remote=remote or "",
        )
    say([report], (), as_json=as_json)
    if report.status is not ExitStatus.IN_PROGRESS:
        leave(report.status)
