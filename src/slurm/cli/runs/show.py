"""``slurm runs show``: all that is known of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from slurm.agent.json_files import parse_object
from slurm.cli.commands import Command
from slurm.cli.output import printed
from slurm.cli.runs.common import JSON, RUN_ID
from slurm.runs import locked_files
from slurm.runs.clusters import in_words
from slurm.runs.manifest import Manifest
from slurm.runs.report import report_of
from slurm.runs.selection import select
from slurm.runs.step import next_action
from slurm.states import NO_REASON

METRICS = "metrics.json"


@click.command("show", cls=Command, example="slurm runs show 20260218T160045Z --json")
@RUN_ID
@JSON
def command(run_id: str, as_json: bool) -> None:
    """Show what is known of a run: its job, its artifacts, its metrics, its history, and what it needs next.

    Nobody is asked; slurm runs monitor asks the scheduler.
    """
    [manifest] = select([run_id]).manifests
    report, metrics = report_of(manifest), _metrics(Path(manifest.path).parent / METRICS)
    if as_json:
        said = {**report.as_json, "content": dict(manifest.content), "metrics": metrics}
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
        return
    for name, value in _lines(manifest, metrics):
        click.echo(printed(f"{name + ':':<12} {value}"))
    click.echo(printed(f"{'next:':<12} {next_action(manifest).action}; {report.text}"))
    if report.command:
        click.echo(printed(f"{'':<12} {report.command}"))


def _lines(manifest: Manifest, metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "run_id", manifest.run_id
    yield "iteration", f"{manifest.iteration_id} ({Path(manifest.path).parent})"
    yield "status", str(manifest.status)
    yield "command", f"{manifest.content['command']} ({manifest.content['host_mode']})"
    if manifest.section("cluster"):
        yield "cluster", in_words(manifest.section("cluster"))
    yield from _job(manifest)
    yield from _sections(manifest)
    for name, value in (metrics.get("metrics") or {}).items():
        yield "metric", f"{name} = {json.dumps(value, ensure_ascii=False)}"
    for one in metrics.get("missing_evidence") or ():
        yield "missing", f"{one.get('what')}: {one.get('why')}; {one.get('what_to_do')}"
    for line in manifest.content.get("history") or ():
        yield (
            "history",
            f"{line['at']} {line['from']} -> {line['to']} ({line['by']}: {line['why']})",
        )


def _job(manifest: Manifest) -> Iterator[tuple[str, str]]:
    about, sent = manifest.section("scheduler"), manifest.section("submission")
    asked = manifest.content.get("resource_request") or {}
    reason = about.get("reason", "")
    words = [manifest.job_id or "none yet", about.get("state", "")]
    words += [reason] if reason not in NO_REASON else []
    words += [f"exit code {about['exit_code']}"] if about.get("exit_code") else []
    words += [f"on {about['node']}"] if about.get("node") else []
    yield "job", " ".join(filter(None, words))
    if asked:
        yield "asked for", " ".join(f"--{k}={v}" if v else f"--{k}" for k, v in asked.items())
    if sent.get("job_dir"):
        yield "directory", sent["job_dir"]
    if sent.get("error"):
        yield "error", sent["error"]
    if about.get("probe_error"):
        yield "unreachable", about["probe_error"]


def _sections(manifest: Manifest) -> Iterator[tuple[str, str]]:
    about, times = manifest.section("artifact_sync_to_local"), manifest.section("timestamps")
    yield "times", " to ".join(filter(None, [times["started_at"], times.get("completed_at")]))
    said = [str(manifest.sync), about.get("error", ""), *about.get("missing", ())]
    yield "artifacts", ", ".join(filter(None, said))
    for name in manifest.section("logs").get("files") or ():
        yield "log", name
    sdk = manifest.section("sdk")
    if sdk:
        yield "task", f"{sdk.get('task')} ({sdk.get('kind')})"
    for child in sdk.get("children") or ():
        yield "child", " ".join(str(child.get(key) or "") for key in ("task", "job_id", "state"))


def _metrics(path: Path) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = parse_object(locked_files.read_bytes(path) or b"{}")
        return found
    except (OSError, ValueError) as error:
        return {
            "missing_evidence": [
                {"what": str(path), "why": str(error), "what_to_do": "slurm runs extract"}
            ]
        }
