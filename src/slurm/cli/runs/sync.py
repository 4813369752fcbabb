"""``slurm runs sync``: bring the artifacts of runs home."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from slurm.cli.commands import PATH, Command, cluster_options
from slurm.cli.progress import transfers
from slurm.cli.runs.common import JSON, RUN_IDS, finish
from slurm.config.findings import printable
from slurm.errors import ConfigError, SchedulerUnreachable, SlurmError, TransportError
from slurm.runs import ledger_file, store
from slurm.runs.arrival import Arrived, BeingSynced, at_home, design_of, told
from slurm.runs.clusters import Clusters
from slurm.runs.lifecycle import LAST, RunStatus, SyncStatus
from slurm.runs.manifest import Manifest
from slurm.runs.moments import now
from slurm.runs.policy import Policy
from slurm.runs.report import ExitStatus, Report, report_of
from slurm.runs.selection import select
from slurm.runs.step import Action, Teller, next_action
from slurm.runs.sync import bring_from, sync_run
from slurm.usage import format_size

BY, MONITOR = "slurm runs sync", "slurm runs monitor"
_LAST = LAST | {RunStatus.SYNCED}  # of these, only the runs that are named
SAID = 3  # skipped files that a line names
Bring = Callable[[Manifest], Arrived]


@dataclass(frozen=True)
class SyncReport(Report):
    """A run, and what is here of its artifacts."""

    arrived: Arrived = field(default_factory=Arrived)

    @property
    def as_json(self) -> dict[str, Any]:
        """The same, as an object."""
        found = dataclasses.asdict(self.arrived)
        skipped = [
            {"path": _utf_8(one.path), "why": _utf_8(one.why)} for one in self.arrived.skipped
        ]
        return {**super().as_json, "artifacts": {**found, "skipped": skipped}}


@click.command(
    "sync",
    cls=Command,
    example="slurm runs sync\nslurm runs sync 20260218T160045Z --from ~/fetched/outputs",
)
@RUN_IDS
@click.option(
    "--from", "source", type=PATH, help="a directory of this machine that they were brought to"
)
@click.option("--mark-ok", is_flag=True, help="they are in outputs/ already: only look")
@JSON
@cluster_options
def command(
    run_ids: tuple[str, ...],
    source: str | None,
    mark_ok: bool,
    as_json: bool,
    cluster_args: argparse.Namespace,
) -> None:
    """Bring the artifacts of runs whose jobs have completed home, into the run's outputs/.

    What is here already is not fetched again, and what was begun is continued. Of a run that failed, what is there is
    brought if the run is named; it stays failed. Without RUN_ID: the runs that wait for their artifacts.

    Exit status: 0 all here, 3 a job is in progress, 4 a run failed, 5 something is missing, 6 the cluster does not answer.
    """
    if source is not None and mark_ok:
        raise click.UsageError("--from brings them, --mark-ok says that they are here: give one")
    if source is not None and len(run_ids) != 1:
        raise click.UsageError("--from is for one run: name its RUN_ID")
    if mark_ok and not run_ids:
        raise click.UsageError(
            "--mark-ok is for the runs that you have looked at: name each RUN_ID"
        )
    folder = None if source is None else _folder(source)
    selection = select(run_ids)
    chosen = [one for one in selection.manifests if run_ids or one.status not in _LAST]
    with Clusters(cluster_args) as clusters, transfers(shown=not as_json) as progress:

        def bring(manifest: Manifest) -> Arrived:
            if mark_ok:
                return at_home(manifest, design_of(manifest))
            if folder is not None:
                return bring_from(folder, manifest, progress)
            return sync_run(manifest, clusters.of(manifest), selection.policy, progress)

        reports = [_synced(one, bring, selection.policy, only_look=mark_ok) for one in chosen]
    if not chosen and selection.manifests and not as_json and not selection.broken:
        click.echo("no run waits for its artifacts; name one to bring them again")
        return
    finish(reports, selection.broken, as_json=as_json)


def _utf_8(text: str) -> str:
    """Text of names that may be no UTF-8, as text that is."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _folder(source: str) -> Path:
    folder = Path(source).absolute()
    if not folder.is_dir():
        raise ConfigError(f"--from {source}: there is no such directory")
    return folder


def _synced(manifest: Manifest, bring: Bring, policy: Policy, *, only_look: bool) -> Report:
    """What came of one run; an error of one holds up no other."""
    if manifest.status not in _LAST and next_action(manifest).action is not Action.SYNC:
        report = report_of(manifest)
        return report if report.command else dataclasses.replace(report, command=MONITOR)
    path = Path(manifest.path)
    known = manifest
    try:
        if manifest.status not in _LAST and not only_look:
            known = store.change(path, Teller(now(), BY).syncing)
        arrived = bring(manifest)
        if arrived.complete or not only_look:
            known = store.change(path, lambda found: told(Teller(now(), BY), found, arrived))
        if known.is_slurm:
            ledger_file.append(policy.ledger, known)
    except BeingSynced as error:
        return Report(known, ExitStatus.IN_PROGRESS, str(error))
    except (SchedulerUnreachable, TransportError) as error:
        return _unreachable(manifest, error)
    except SlurmError as error:
        return report_of(known, error)
    return _report(known, arrived)


def _unreachable(before: Manifest, error: SlurmError) -> Report:
    """Nothing is changed but what is said of the attempt."""
    teller, was = Teller(now(), BY), before.section("artifact_sync_to_local")["status"]

    def back(found: Manifest) -> Manifest:
        said = teller.unreachable(found, printable(str(error)))
        if found.sync is not SyncStatus.SYNCING:  # somebody else has brought them meanwhile
            return said
        return said.having("artifact_sync_to_local", status=was)

    try:
        known = store.change(Path(before.path), back)
    except SlurmError as failure:
        return report_of(before, failure)
    return dataclasses.replace(report_of(known, error), command=f"{BY} {before.run_id}")


def _report(manifest: Manifest, arrived: Arrived) -> SyncReport:
    text = _text(arrived)
    if not arrived.complete:
        missing = ", ".join(map(printable, arrived.missing))
        why = [f"missing: {missing}" if missing else "", arrived.error]
        text = "; ".join(filter(None, [*why, text]))
        mend = f"{BY} {manifest.run_id} --from DIR, if they are elsewhere on this machine"
        return SyncReport(manifest, ExitStatus.PARTIAL, text, mend, arrived)
    if manifest.status is RunStatus.FAILED:
        return SyncReport(manifest, ExitStatus.FAILED, f"{text}; it stays failed", "", arrived)
    return SyncReport(manifest, ExitStatus.OK, text, "", arrived)


def _text(arrived: Arrived) -> str:
    files = "1 file" if arrived.files == 1 else f"{arrived.files} files"
    text = f"{files} ({format_size(arrived.bytes)}) here, {format_size(arrived.came)} came now"
    if not arrived.skipped:
        return text
    named = "; ".join(printable(str(one)) for one in arrived.skipped[:SAID])
    more = len(arrived.skipped) - SAID
    return f"{text}; {len(arrived.skipped)} skipped: {named}" + (
        f"; and {more} more" if more > 0 else ""
    )
