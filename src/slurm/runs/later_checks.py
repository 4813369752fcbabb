"""What named checks find in a run after its launch: what the scheduler said, what arrived, and what was extracted."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

from slurm.agent.json_files import parse_object
from slurm.config.findings import Finding, printable
from slurm.runs.checks import FAIL, PASS, WARN, Subject
from slurm.runs.lifecycle import RunStatus, SyncStatus
from slurm.runs.metrics import FILE, FORM, MetricsStatus, in_progress
from slurm.runs.moments import moment_of
from slurm.runs.schemas import problem
from slurm.runs.step import Action, next_action

FRESH = datetime.timedelta(hours=1)


def scheduler(run: Subject) -> Finding:
    """Whether the scheduler was asked within the last hour, as long as there is something to ask."""
    name, said = "scheduler", run.manifest.section("scheduler")
    fix = f"slurm runs monitor {run.run}"
    state = printable(str(said.get("state") or "nothing"))
    if not in_progress(run.manifest) or said.get("ended"):
        return Finding(name, PASS, f"the job has ended, the scheduler said {state}")
    if not run.is_submitted:
        return Finding(name, WARN, "there is no job yet that it could be asked about", "slurm run")
    if said.get("probe_error"):
        error = printable(str(said["probe_error"]))
        return Finding(name, WARN, f"it could not be asked: {error}", fix)
    if not said.get("observed_at"):
        return Finding(name, WARN, "it was never asked", fix)
    ago = run.now - moment_of(said["observed_at"])
    minutes = ago.total_seconds() / 60
    when = f"{minutes:.0f} minutes ago" if minutes >= 0 else f"{-minutes:.0f} minutes from now"
    text = f"it said {state} {when}"
    return Finding(name, PASS, text) if abs(ago) <= FRESH else Finding(name, WARN, text, fix)


def way_on(run: Subject) -> Finding:
    """Whether the run goes on by itself; where only a person can say how, the reason and the command."""
    found = next_action(run.manifest)
    if found.action is Action.ASK:
        return Finding("way-on", FAIL, printable(found.why), found.command)
    return Finding("way-on", PASS, f"{found.action}: {found.why}")


def artifacts(run: Subject) -> Finding:
    """Whether the artifacts that are said to be here are."""
    name, absent = "artifacts", run.files.absent
    if run.manifest.sync is not SyncStatus.OK:
        return Finding(name, PASS, "nobody says that they are here")
    if absent:
        more = f" and {len(absent) - 10} more" if len(absent) > 10 else ""
        text = f"the sync is ok, and these are not here: {', '.join(absent[:10])}{more}"
        return Finding(name, FAIL, printable(text), f"slurm runs sync {run.run}")
    return Finding(name, PASS, "all that are required are here")


def extracted(run: Subject) -> Iterator[Finding]:
    """Whether the metrics are there, are some, agree with the manifest, and have no number without its evidence."""
    fix = f"slurm runs extract {run.run}"
    file = run.files.metrics
    if file.data is None:
        yield Finding("metrics", FAIL, f"{FILE}: {file.error}", fix)
        return
    try:
        # Python would read NaN and Infinity, which are no JSON.
        json.loads(file.data, parse_constant=_refuse)
        said = parse_object(file.data)
        wrong = problem(said, FORM)
    except (ValueError, RecursionError) as error:
        said, wrong = {}, f"it is no JSON: {error}"
    if wrong:
        yield Finding("metrics", FAIL, printable(f"{FILE}: {wrong}"), fix)
        return
    yield Finding("metrics", PASS, f"{said['status']}, {len(said['metrics'])} metrics")
    yield _agreement(run, said, fix)
    yield _numbers(run, said, fix)
    yield _evidence(said, fix)


def _agreement(run: Subject, said: dict[str, Any], fix: str) -> Finding:
    name = "metrics-agree"
    extraction = run.manifest.section("extraction").get("status")
    known = {"run_id": run.manifest.run_id, "iteration_id": run.manifest.iteration_id}
    if extraction:
        known["status"] = str(extraction)
    for key, value in known.items():
        if said[key] != value:
            text = f"{key} is {printable(str(said[key]))} in {FILE} and {value} in the manifest"
            return Finding(name, FAIL, text, fix)
    if run.manifest.status is RunStatus.FAILED and said["status"] == MetricsStatus.COMPLETED:
        return Finding(name, FAIL, "they are completed, and the run failed", fix)
    if not extraction:
        return Finding(name, WARN, "the manifest does not know of them", fix)
    return Finding(name, PASS, "with the manifest")


def _numbers(run: Subject, said: dict[str, Any], fix: str) -> Finding:
    values = [key for key, value in said["metrics"].items() if value is not None]
    if values and run.manifest.sync is not SyncStatus.OK:
        text = f"{values[0]} has a value, and the artifacts are not here"
        return Finding(
            "metrics-values", FAIL, printable(text), f"slurm runs sync {run.run}, then {fix}"
        )
    return Finding("metrics-values", PASS, f"{len(values)} of {len(said['metrics'])}")


def _evidence(said: dict[str, Any], fix: str) -> Finding:
    name = "metrics-evidence"
    explained = {one["what"] for one in said["missing_evidence"]}
    empty = [key for key, value in said["metrics"].items() if value is None]
    for key in empty:
        if f"metrics.{key}" not in explained:
            return Finding(name, FAIL, printable(f"{key} is null, and nothing says why"), fix)
    if not explained and said["status"] != MetricsStatus.COMPLETED:
        return Finding(name, FAIL, f"they are {said['status']}, and nothing says why", fix)
    if explained:
        first = said["missing_evidence"][0]
        text = f"{len(explained)} missing, as {first['what']}: {first['why']}"
        return Finding(name, WARN, printable(text), printable(first["what_to_do"]))
    return Finding(name, PASS, "nothing is missing")


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
