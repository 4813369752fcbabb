"""``slurm runs extract``: what runs measured, or which evidence is missing."""

from __future__ import annotations

import argparse
import functools
import json
from pathlib import Path
from typing import Any

import click

from slurm.cli.commands import Command, cluster_options
from slurm.cli.output import printed
from slurm.cli.runs.common import JSON, RUN_IDS, leave
from slurm.errors import SchedulerUnreachable, SlurmError, TransportError
from slurm.runs import ledger_file, store
from slurm.runs.clusters import Clusters
from slurm.runs.extract import InProgress, extract
from slurm.runs.manifest import Manifest
from slurm.runs.metrics import MetricsStatus
from slurm.runs.moments import moment_of, now
from slurm.runs.policy import Policy
from slurm.runs.report import URGENCY, ExitStatus
from slurm.runs.selection import select
from slurm.runs.step import Teller

BY = "slurm runs extract"
STATUSES = {
    MetricsStatus.COMPLETED: ExitStatus.OK,
    MetricsStatus.PARTIAL: ExitStatus.PARTIAL,
    MetricsStatus.FAILED: ExitStatus.FAILED,
}


@click.command(
    "extract",
    cls=Command,
    example="slurm runs extract\nslurm runs extract 20260218T160045Z --json",
)
@RUN_IDS
@JSON
@cluster_options
def command(run_ids: tuple[str, ...], as_json: bool, cluster_args: argparse.Namespace) -> None:
    """Write metrics.json of each run: what it measured, or which evidence is missing, why, and what to do.

    There are numbers only of artifacts that are here. A run that failed is extracted as well; of one that has not ended
    nothing is written. Without RUN_ID: the runs of the iteration that the working directory is in, else of the project; then
    tasks whose values are all there are not asked for them again.

    Exit status: 0 completed, 3 a run has not ended, 4 one failed, 5 evidence is missing, 6 the cluster does not answer.
    """
    selection = select(run_ids)
    with Clusters(cluster_args) as clusters:
        chosen = [one for one in selection.manifests if run_ids or not _is_settled(one)]
        said = [_extracted(one, clusters, selection.policy) for one in chosen]
    errors = [str(error) for error in selection.broken]
    if as_json:
        runs = [_as_json(one) for one in said]
        click.echo(json.dumps({"runs": runs, "errors": errors}, indent=2))
    else:
        for one in said:
            _say(one)
        if not said and not errors:
            settled = "there is nothing more to extract"
            none = "there is no run here; slurm launch begins one"
            click.echo(settled if selection.manifests else none)
    for error in errors:
        click.echo(printed(error), err=True)
    found = {ExitStatus.ERROR} if errors else set()
    found |= {one["exit_status"] for one in said}
    leave(next((one for one in URGENCY if one in found), ExitStatus.OK))


def _is_settled(manifest: Manifest) -> bool:
    """Whether its task's value is extracted, which does not change; files of a run may."""
    done = manifest.section("extraction").get("status") == MetricsStatus.COMPLETED
    return done and bool(manifest.section("sdk"))


def _extracted(manifest: Manifest, clusters: Clusters, policy: Policy) -> dict[str, Any]:
    """What came of one run; an error of one holds up no other."""
    about: dict[str, Any] = {"run_id": manifest.run_id, "status": None, "metrics": None}
    try:
        opened = functools.partial(clusters.of, manifest)
        found = extract(manifest, at=now(), cluster=opened)
        # The moment of what is in the file: the same extraction once more changes no manifest.
        teller = Teller(moment_of(found["extracted_at"]), BY)
        after = store.change(Path(manifest.path), lambda m: teller.extracted(m, found["status"]))
        if after.is_slurm:
            ledger_file.append(policy.ledger, after)
    except InProgress as error:
        return {**about, "exit_status": ExitStatus.IN_PROGRESS, "error": str(error)}
    except (SchedulerUnreachable, TransportError) as error:
        return {**about, "exit_status": ExitStatus.UNREACHABLE, "error": str(error)}
    except SlurmError as error:
        return {**about, "exit_status": ExitStatus.ERROR, "error": str(error)}
    return {
        **about,
        "status": found["status"],
        "metrics": found,
        "exit_status": STATUSES[MetricsStatus(found["status"])],
    }


def _say(one: dict[str, Any]) -> None:
    if "error" in one:
        click.echo(printed(f"run_id={one['run_id']}: {_line(one['error'])}"), err=True)
        return
    found = one["metrics"]
    values = ", ".join(f"{name}={json.dumps(value)}" for name, value in found["metrics"].items())
    shown = values or found.get("note") or "no metrics"
    click.echo(printed(f"run_id={one['run_id']} {one['status']}: {shown}"))
    for line in found["missing_evidence"]:
        click.echo(printed(f"  {line['what']}: {line['why']}; {line['what_to_do']}"))


def _as_json(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "exit_status": int(one["exit_status"])}


def _line(text: str) -> str:
    return " ".join(text.split())
