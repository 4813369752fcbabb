"""``slurm slurm-job-list``: the ledger of runs, one line for each in ``docs/slurm_job_list.md``."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from slurm.cli.commands import Group
from slurm.cli.output import printed
from slurm.cli.runs.common import PLACE
from slurm.runs import ledger, ledger_file, store
from slurm.runs.ledger import Cause, Verdict
from slurm.runs.ledger_lines import Entry
from slurm.runs.manifest import Manifest, ManifestError
from slurm.runs.policy import load_policy
from slurm.runs.project import LEDGER, project_root

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

MANIFEST = click.option("--manifest", "path", required=True, type=PLACE, help="The run's manifest.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def with_doc(function: Decorated) -> Decorated:
    """Add the option that says where the ledger is."""
    option = click.option(
        "--doc",
        type=PLACE,
        help=f"The ledger.  [default: {LEDGER} of the project]",
    )
    return option(function)


@click.group(
    cls=Group,
    example="slurm slurm-job-list append --manifest runs/20260218T160045Z/run_manifest.json",
)
def command() -> None:
    """Keep the ledger of runs, docs/slurm_job_list.md: one line for each.

    The ledger is made from the runs' manifests. Lines that are no entries are left as they are.
    """


@command.command(
    example="slurm slurm-job-list append --manifest runs/20260218T160045Z/run_manifest.json"
)
@MANIFEST
@with_doc
@JSON
def append(path: Path, doc: Path | None, as_json: bool) -> None:
    """Enter a run, or bring its line up to date.

    Prints appended, updated or unchanged. Exit status 1 where the ledger has another job id for the run.
    """
    manifest = store.read(path)
    if skipped(manifest, as_json):
        return
    outcome = ledger_file.append(doc or default_doc(), manifest)
    said = {"outcome": str(outcome), "run_id": manifest.run_id, "line": str(Entry.of(manifest))}
    click.echo(json.dumps(said) if as_json else str(outcome))


@command.command(
    example="slurm slurm-job-list verify --manifest runs/20260218T160045Z/run_manifest.json"
)
@MANIFEST
@with_doc
@click.option("--strict", is_flag=True, help="Compare the status as well.")
@JSON
def verify(path: Path, doc: Path | None, strict: bool, as_json: bool) -> None:
    """Check that a run is in the ledger, with its job id.

    Prints PASS, or FAIL with the cause and what mends it; exit status 1 then.
    """
    manifest = store.read(path)
    if skipped(manifest, as_json):
        return
    found = doc or default_doc()
    verdict = ledger.verify(ledger_file.read(found), manifest, strict)
    mend = mending(verdict, path, doc)
    if as_json:
        why = {"cause": str(verdict.cause), "detail": verdict.detail, "mend": mend}
        said = {
            "verdict": "PASS" if verdict.passed else "FAIL",
            "run_id": manifest.run_id,
            "line": verdict.line,
        }
        click.echo(json.dumps(said if verdict.passed else {**said, **why}))
    elif verdict.passed:
        where = f"{shown(found)}:{verdict.line}"
        click.echo(printed(f"PASS run_id={manifest.run_id} job_id={manifest.job_id}: {where}"))
    else:
        text = f"{verdict.cause}: {verdict.detail} ({shown(found)}); mend it: {mend}"
        click.echo(printed(f"FAIL run_id={manifest.run_id}: {text}"))
    if not verdict.passed:
        fail()


@command.command(example="slurm slurm-job-list rebuild")
@with_doc
@JSON
def rebuild(doc: Path | None, as_json: bool) -> None:
    """Make the ledger anew from all manifests of the project, which are right where it differs.

    Entries whose manifest is not there are kept. Exit status 1 where a manifest cannot be read, after all others were entered.
    """
    manifests, errors = [], []
    for path in store.find(project_root(Path.cwd())):
        try:
            manifests.append(store.read(path))
        except ManifestError as broken:
            errors.append(str(broken))
    done = ledger_file.rebuild(doc or default_doc(), manifests)
    said = {name: getattr(done, name) for name in done.__dataclass_fields__}
    if as_json:
        click.echo(json.dumps({**said, "errors": errors}))
    else:
        click.echo(", ".join(f"{count} {name}" for name, count in said.items()))
        for error in errors:
            click.echo(printed(f"not entered: {error}"), err=True)
    if errors:
        fail()


def default_doc() -> Path:
    """The project's ledger, where its policy says that it is."""
    return load_policy().ledger


def skipped(manifest: Manifest, as_json: bool) -> bool:
    """Say of a run that is no job of Slurm that it is skipped."""
    if manifest.is_slurm:
        return False
    reason = f"host_mode={manifest.content['host_mode']}: the ledger is of Slurm's jobs"
    if as_json:
        said = {"outcome": "skipped", "run_id": manifest.run_id, "reason": reason}
        click.echo(json.dumps(said))
    else:
        click.echo(f"skipped run_id={manifest.run_id}: {reason}")
    return True


def mending(verdict: Verdict, manifest: Path, doc: Path | None) -> str:
    """The command that mends what is wrong."""
    options = ["--doc", str(doc)] if doc else []
    if verdict.cause is Cause.UNCLEAR or verdict.mend not in (ledger.APPEND, ledger.REBUILD):
        return verdict.mend
    if verdict.mend == ledger.APPEND:
        options = ["--manifest", str(manifest), *options]
    return shlex.join(["slurm", "slurm-job-list", verdict.mend, *options])


def shown(path: Path) -> str:
    """A path as messages have it: from here, where it is below."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def fail() -> NoReturn:
    """End with exit status 1, all having been said."""
    click.get_current_context().exit(1)
