"""``slurm detect``: whether runs are jobs of Slurm or processes of this machine."""

from __future__ import annotations

import json
from pathlib import Path

import click

from slurm.cli.commands import Command
from slurm.cli.runs.common import PLACE
from slurm.runs.detect import Detection, detect

SIGNS: dict[bool | None, str] = {True: "yes", False: "no", None: "-"}


@click.command("detect", cls=Command, example="slurm detect --design plan/iter1/design.yaml")
@click.option(
    "--design",
    type=PLACE,
    metavar="FILE",
    help="the design.yaml to read (default: the nearest one in the project)",
)
@click.option("--json", "as_json", is_flag=True, help="as one JSON object")
def command(design: Path | None, as_json: bool) -> None:
    """Print slurm or local, and why.

    A compute.location that the design declares wins. Otherwise it is slurm only if sbatch, squeue and sinfo are here and the
    controller answers, or if the cluster that the Slurmfile names does.
    """
    found = detect(design=design)
    if as_json:
        click.echo(json.dumps(_as_json(found), indent=2, ensure_ascii=False))
        return
    click.echo(found.location)
    click.echo(f"why: {found.why}")
    click.echo(f"launch script: {found.script}")
    for probe in found.evidence:
        click.echo(f"  {probe.name:<12} {SIGNS[probe.found]:<4} {probe.text}")


def _as_json(found: Detection) -> dict[str, object]:
    return {
        "location": found.location,
        "source": found.source,
        "why": found.why,
        "script": found.script,
        "evidence": [probe._asdict() for probe in found.evidence],
    }
