"""``slurm doctor``: whether jobs can be sent to a cluster, a line for each check, with what mends it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

import click

from slurm import Cluster
from slurm.cli.commands import COUNT, Command, cluster_options
from slurm.cli.output import finding_in_words
from slurm.cluster_checks.examine import JOB_TIMEOUT, examine
from slurm.config.command_line import chosen_from
from slurm.config.findings import Finding, Verdict, failed
from slurm.config.origins import place
from slurm.errors import ConfigError


@click.command(
    "doctor",
    cls=Command,
    example="slurm doctor\nslurm doctor --job\nslurm doctor --backend ssh --hostname hpc",
)
@click.option("--job", is_flag=True, help="run a tiny job, to look at a node as well")
@click.option(
    "--timeout",
    type=COUNT,
    default=round(JOB_TIMEOUT),
    help=f"seconds to wait for that job (default {JOB_TIMEOUT:.0f})",
)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@cluster_options
@click.pass_context
def command(
    ctx: click.Context, job: bool, timeout: int, as_json: bool, cluster_args: argparse.Namespace
) -> None:
    """Check whether jobs can be sent to a cluster: a line for each check, with what it found and what mends it.

    The checks go on after one has failed; those that depend on it say so. Nothing is changed there, but that --job runs a job.

    Exit status: 0 if none failed, warnings included; 1 if one did.
    """
    found: list[Finding] = []
    for one in findings(cluster_args, job=job, timeout=timeout):
        found.append(one)
        if not as_json:
            click.echo(finding_in_words(one))
    if as_json:
        said = {"verdict": verdict_of(found), "findings": [_as_json(one) for one in found]}
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
    if failed(found):
        ctx.exit(1)


def findings(
    args: argparse.Namespace, *, job: bool = False, timeout: float = JOB_TIMEOUT
) -> Iterator[Finding]:
    """What is found of the cluster that is chosen, one after the other."""
    return examine(lambda: Cluster.from_args(args), _where(args), job=job, timeout=timeout)


def _where(args: argparse.Namespace) -> str:
    """What says which cluster it is."""
    try:
        chosen = chosen_from(args)
        where = place(chosen)
    except ConfigError:  # it is found again, and told, when the cluster is made
        return ""
    if where.path is None:
        return f"none is read: {chosen.sources['backend_type']} {chosen.overrides['backend_type']}"
    return f"{where.path}, environment {where.environment}"


def verdict_of(found: list[Finding]) -> str:
    """The worst of them, where a check that was not made is no bad one.

    >>> verdict_of([Finding("job", Verdict.SKIP, ""), Finding("clock", Verdict.WARN, "")])
    'WARN'
    """
    verdicts = {one.verdict for one in found}
    return str(next((one for one in (Verdict.FAIL, Verdict.WARN) if one in verdicts), Verdict.PASS))


def _as_json(one: Finding) -> dict[str, Any]:
    return {**one._asdict(), "verdict": str(one.verdict)}
