"""``slurm verify``: named checks of runs, by stage."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slurm.cli.commands import Command, cluster_options
from slurm.cli.output import printed
from slurm.cli.runs.common import JSON, RUN_IDS, leave
from slurm.config.findings import Finding, failed
from slurm.runs import check_files, checks, environment, ledger_file
from slurm.runs.clusters import Clusters
from slurm.runs.environment import Iteration
from slurm.runs.ledger_lines import LedgerError
from slurm.runs.manifest import Manifest, ManifestError
from slurm.runs.moments import now
from slurm.runs.policy import Policy, load_policy
from slurm.runs.selection import Selection, select
from slurm.runs.verify import Stage, no_run, verdict_of, verify_run

if TYPE_CHECKING:
    from slurm.cluster import Cluster

Found = list[tuple[str, Finding]]  # with the id of the run, or nothing


@click.command(
    "verify",
    cls=Command,
    example="slurm verify --stage launch\nslurm verify --stage extract_results 20260218T160045Z --json",
)
@click.option(
    "--stage",
    required=True,
    type=click.Choice([str(one) for one in Stage]),
    help="what the runs are verified for",
)
@RUN_IDS
@JSON
@cluster_options
def command(
    stage: str, run_ids: tuple[str, ...], as_json: bool, cluster_args: argparse.Namespace
) -> None:
    """Check runs: a line for each check, with what it found and what mends it.

    Without RUN_ID: the runs of the iteration that the working directory is in, else of the project. Where the policy's
    requirements_by_stage.STAGE.env_smoke is true, the cluster, the interpreter and the dry run are looked at as well.

    Exit status: 0 all passed, warnings included; 1 a check failed, or there is no run.
    """
    wanted = Stage(stage)
    selection = _selected(run_ids)
    found: Found = [("", checks.unreadable(error)) for error in selection.broken]
    if not selection.manifests and not selection.broken:
        found.append(("", no_run(wanted)))
    found += _of_runs(selection.manifests, wanted, selection.policy)
    found += [
        ("", one)
        for one in _of_environment(selection.manifests, wanted, selection.policy, cluster_args)
    ]
    findings = [one for _, one in found]
    if as_json:
        rows = [_as_json(run_id, one) for run_id, one in found]
        said = {"stage": stage, "verdict": str(verdict_of(findings)), "findings": rows}
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
    else:
        for run_id, one in found:
            click.echo(printed(str(one._replace(name=f"{run_id} {one.name}") if run_id else one)))
    leave(1 if failed(findings) else 0)


def _selected(run_ids: Sequence[str]) -> Selection:
    """The runs; one that is named and whose manifest cannot be read is a finding, as any other is."""
    try:
        return select(run_ids)
    except ManifestError as error:
        return Selection(load_policy(), (), (error,))


def _of_runs(
    manifests: Sequence[Manifest], stage: Stage, policy: Policy
) -> Iterator[tuple[str, Finding]]:
    text = _ledger(policy)
    for one in manifests:
        found = verify_run(
            one, stage, policy, files=check_files.look(one), text_of_ledger=text, now=now()
        )
        yield from ((one.run_id, finding) for finding in found)


def _of_environment(
    manifests: Sequence[Manifest], stage: Stage, policy: Policy, cluster_args: argparse.Namespace
) -> list[Finding]:
    iterations = [
        Iteration(
            Path(one.path).absolute().parents[2], one.iteration_id, str(one.content["host_mode"])
        )
        for one in manifests
    ]
    with Clusters(cluster_args) as clusters:
        return list(
            environment.examine(stage, policy, iterations, lambda: _asked(clusters, manifests))
        )


def _asked(clusters: Clusters, manifests: Sequence[Manifest]) -> str:
    """What the clusters of the runs answer. Raises `SlurmError` for the first that does not."""
    every = list(dict.fromkeys(clusters.of(one) for one in manifests))
    if not every:
        return "no run, and so no cluster to ask"
    return "; ".join(f"{one.backend_type} answers{_partitions(one)}" for one in every)


def _partitions(cluster: Cluster) -> str:
    """How many it has; asking for them is the question."""
    count = len(cluster.get_cluster_info().get("partitions", ()))
    return f", with {count} partition{'' if count == 1 else 's'}" if count else ""


def _ledger(policy: Policy) -> str | LedgerError | None:
    try:
        return ledger_file.read(policy.ledger) if os.path.lexists(policy.ledger) else None
    except LedgerError as error:
        return error


def _as_json(run_id: str, one: Finding) -> dict[str, Any]:
    return {"run_id": run_id or None, **one._asdict(), "verdict": str(one.verdict)}
