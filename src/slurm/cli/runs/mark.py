"""``slurm runs mark``: write down how a run ended, where nobody else can tell."""

from __future__ import annotations

import json
from pathlib import Path

import click

from slurm.cli.commands import TEXT, Command
from slurm.cli.output import printed
from slurm.cli.runs.common import JSON, RUN_ID
from slurm.runs import ledger_file, store
from slurm.runs.manifest import Manifest
from slurm.runs.moments import now
from slurm.runs.report import report_of
from slurm.runs.selection import select
from slurm.runs.step import Teller

BY = "slurm runs mark"


@click.command(
    "mark",
    cls=Command,
    example='slurm runs mark 20260218T160045Z failed --why "the node burnt down"',
)
@RUN_ID
@click.argument("status", metavar="STATUS", type=click.Choice(["failed", "completed"]))
@click.option("--why", type=TEXT, default="a person says so", help="what to write beside it")
@JSON
def command(run_id: str, status: str, why: str, as_json: bool) -> None:
    """Write down that the run's job has failed or completed. The scheduler is not asked, and no job is ended.

    After completed, slurm run brings the artifacts home; after failed, it copies the logs and extracts what there is.

    Exit status: 0 written, 1 the run has ended already in the other way.
    """
    selection = select([run_id])
    [before] = selection.manifests
    teller = Teller(now(), BY)

    def marked(manifest: Manifest) -> Manifest:
        if status == "failed":
            return teller.given_up(manifest, why)
        return teller.said_completed(manifest, why)

    manifest = store.change(Path(before.path), marked)
    if manifest.is_slurm:
        ledger_file.append(selection.policy.ledger, manifest)
    report = report_of(manifest)
    click.echo(json.dumps(report.as_json) if as_json else printed(str(report)))
