"""What named checks find in the record of a run: its manifest, its line in the ledger, its script and its design."""

from __future__ import annotations

import datetime
import shlex
from dataclasses import dataclass

from slurm.config.findings import Finding, Verdict, printable
from slurm.runs import ledger
from slurm.runs.check_files import CheckedFiles
from slurm.runs.evidence import sync_word
from slurm.runs.ledger import Cause
from slurm.runs.ledger_lines import LedgerError
from slurm.runs.lifecycle import RunStatus, SyncStatus
from slurm.runs.manifest import Manifest, ManifestError
from slurm.runs.policy import Policy

PASS, WARN, FAIL = Verdict.PASS, Verdict.WARN, Verdict.FAIL
SKEW = datetime.timedelta(minutes=5)  # by which the clocks of two machines may differ
REJECTED, UNKNOWN = "rejected", "unknown"


@dataclass(frozen=True)
class Subject:
    """A run that is checked, and what is known of it.

    `ledger` is the text of the ledger; None where there is none, the error where it cannot be read. `strict` is whether its
    status has to be the manifest's.
    """

    manifest: Manifest
    policy: Policy
    files: CheckedFiles
    ledger: str | LedgerError | None
    now: datetime.datetime
    strict: bool

    @property
    def run(self) -> str:
        """The run's id, for commands."""
        return shlex.quote(self.manifest.run_id)

    @property
    def is_submitted(self) -> bool:
        """Whether the scheduler has, or had, a job of it; a process of this machine needs no id."""
        return bool(self.manifest.job_id) or not (
            self.manifest.is_slurm or self.manifest.status is RunStatus.PENDING
        )


def manifest(run: Subject) -> Finding:
    """Whether the manifest is one."""
    try:
        Manifest.checked(run.manifest.content, run.manifest.path)
    except ManifestError as error:
        return unreadable(error)
    return Finding("manifest", PASS, f"{run.manifest.status}, revision {run.manifest.revision}")


def unreadable(error: ManifestError) -> Finding:
    """What is found of a manifest that cannot be read."""
    return Finding("manifest", FAIL, printable(str(error), 500), "mend it in an editor")


def run_directory(run: Subject) -> Finding:
    """Whether the run lies where runs lie, under its own id, and nobody else can write there."""
    name, files = "run-directory", run.files
    if files.mode is None:
        return Finding(name, FAIL, f"{files.directory} is not there", "slurm runs list")
    if files.directory.name != run.manifest.run_id:
        text = f"{files.directory.name} holds the manifest of {run.manifest.run_id}"
        return Finding(name, FAIL, text, "give the directory the name of its run")
    if files.mode & 0o002:
        fix = f"chmod o-w {shlex.quote(str(files.directory))}"
        return Finding(name, WARN, "everybody may write there", fix)
    return Finding(name, PASS, str(files.directory))


def job_id(run: Subject) -> Finding:
    """Whether it is known which job it is."""
    name = "job-id"
    if run.manifest.job_id:
        return Finding(name, PASS, run.manifest.job_id)
    if not run.manifest.is_slurm:
        return Finding(name, PASS, "none, and a process of this machine needs none")
    if run.manifest.status is RunStatus.FAILED:
        return Finding(
            name, WARN, "none: there never was a job of it", f"slurm runs show {run.run}"
        )
    return Finding(name, FAIL, "the manifest has no job_id", "slurm run")


def submission(run: Subject) -> Finding:
    """Whether it is known what became of the submission."""
    name, said = "submission", run.manifest.section("submission")
    outcome, error = said.get("outcome"), printable(str(said.get("error") or ""))
    if outcome is None:
        return Finding(name, PASS, "the manifest does not say who submitted it")
    if outcome == UNKNOWN:
        more = f" ({error})" if error else ""
        if run.manifest.status is RunStatus.PENDING:
            return Finding(name, FAIL, f"whether it became a job is unknown{more}", "slurm run")
        text = f"outcome is unknown{more}, and the run is {run.manifest.status}"
        return Finding(name, WARN, text, "if that is so, set submission.outcome to accepted")
    if run.is_submitted:
        return Finding(name, PASS, str(outcome))
    text = f"{outcome}: {error}" if error else str(outcome)
    if run.manifest.status is RunStatus.FAILED:
        return Finding(name, WARN, f"{text}; it was given up", "slurm launch")
    fix = "mend what it says, then slurm run" if outcome == REJECTED else "slurm run"
    return Finding(name, FAIL, text, fix)


def in_ledger(run: Subject) -> Finding:
    """Whether the ledger has the run, its job id and, after the launch, its status."""
    name = "ledger"
    append = f"slurm slurm-job-list append --manifest {shlex.quote(run.manifest.path)}"
    if not run.manifest.is_slurm:
        return Finding(name, PASS, "host_mode=local: the ledger is of Slurm's jobs")
    if isinstance(run.ledger, LedgerError):
        return Finding(name, FAIL, printable(str(run.ledger)), "mend the file")
    if run.ledger is None:
        if not run.is_submitted:
            return Finding(name, PASS, "it has no line before it has a job")
        return Finding(name, FAIL, f"{run.policy.ledger} is not there", append)
    found = ledger.verify(run.ledger, run.manifest, run.strict)
    where = run.policy.ledger.name
    if found.passed:
        return Finding(name, PASS, f"{where}:{found.line}")
    if found.cause is Cause.MISSING and not run.is_submitted:
        return Finding(name, PASS, "it has no line before it has a job")
    fixes = {ledger.APPEND: append, ledger.REBUILD: "slurm slurm-job-list rebuild"}
    return Finding(
        name, FAIL, f"{found.cause}: {found.detail} ({where})", fixes.get(found.mend, found.mend)
    )


def sync_status(run: Subject) -> Finding:
    """Whether it is said how far the artifacts are, and whether that is all right for the run's status."""
    name, word = "sync-status", sync_word(run.manifest)
    said = run.manifest.section("artifact_sync_to_local")
    text = f"artifact_sync_to_local.status is {word}"
    fix = f"slurm runs sync {run.run}"
    if run.manifest.sync is SyncStatus.OK:
        return Finding(name, PASS, text)
    if run.manifest.status is RunStatus.FAILED:
        return Finding(name, PASS, f"{text}, of a run that failed")
    if run.manifest.sync is SyncStatus.FAILED:
        parts = [*said.get("missing", ()), *([said["error"]] if said.get("error") else ())]
        return Finding(
            name, FAIL, f"{text}: {printable(', '.join(parts)) or 'nobody says why'}", fix
        )
    if run.manifest.status in (RunStatus.SYNCED, RunStatus.COMPLETED):
        return Finding(name, FAIL, f"{text}, and the run is {run.manifest.status}", fix)
    return Finding(name, PASS, text)


def script(run: Subject) -> Finding:
    """Whether the launch script is one that sbatch would take."""
    name, found = "script", run.files.script
    if run.manifest.section("sdk"):
        return Finding(name, PASS, "the SDK makes the script of its own submissions")
    where = found.path.name
    if found.data is None:
        text = printable(f"{found.path}: {found.error}")
        if run.manifest.section("submission").get("token"):
            return Finding(name, FAIL, text, "write it: slurm run submits it again where it has to")
        return Finding(name, WARN, f"{text}; the run was not launched from here", "")
    first = found.data.split(b"\n", 1)[0]
    if not first.startswith(b"#!") or not first[2:].strip():
        fix = "begin it with #!/bin/bash"
        return Finding(name, FAIL, f"the first line of {where} names no interpreter", fix)
    if b"\r\n" in found.data:
        fix = f"dos2unix {shlex.quote(str(found.path))}"
        return Finding(name, FAIL, f"the lines of {where} end as on Windows (CR LF)", fix)
    return Finding(name, PASS, f"{where}: {printable(first.decode('utf-8', 'replace'))}")


def design(run: Subject) -> Finding:
    """Whether the design can be read."""
    name, found = "design", run.files.design
    if run.files.design_error:
        return Finding(name, FAIL, printable(run.files.design_error), "mend that line")
    if found is None:
        if run.manifest.section("sdk"):
            return Finding(name, PASS, "there is none, and a run of the SDK needs none")
        text = "there is no design.yaml: no artifact is required, and no metric is declared"
        return Finding(name, WARN, text, "write one")
    text = f"{len(found.required)} required artifacts, {len(found.metrics)} metrics"
    return Finding(name, PASS, f"{found.path.name}: {text}")


def timestamps(run: Subject) -> Finding:
    """Whether the times can be right, and an end is there for a run that ended."""
    name, started, ended = "timestamps", run.manifest.started_at, run.manifest.completed_at
    for key, moment in (("started_at", started), ("completed_at", ended)):
        if moment is not None and moment - run.now > SKEW:
            seconds = (moment - run.now).total_seconds()
            text = f"{key} is {seconds:.0f} s in the future"
            return Finding(name, WARN, text, "set the clocks of the machines")
    if ended is not None:
        return Finding(name, PASS, f"it took {(ended - started).total_seconds():.0f} s")
    return Finding(name, PASS, f"started {run.manifest.content['timestamps']['started_at']}")
