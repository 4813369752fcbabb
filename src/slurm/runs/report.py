"""How far a run is, for people and for programs: one line, and the exit status that a command ends with. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from slurm.errors import SchedulerUnreachable, SlurmError, TransportError
from slurm.runs.lifecycle import RunStatus, SyncStatus
from slurm.runs.manifest import Manifest
from slurm.runs.step import Action, job_status, next_action


class ExitStatus(enum.IntEnum):
    """What a command about runs ends with."""

    OK = 0
    ERROR = 1
    IN_PROGRESS = 3
    FAILED = 4
    PARTIAL = 5
    UNREACHABLE = 6
    UNKNOWN = 7


GOOD = ("COMPLETED", "RUNNING", "PENDING")
# Of several runs, the first of these that one of them has is the command's.
URGENCY = (
    ExitStatus.ERROR,
    ExitStatus.UNKNOWN,
    ExitStatus.UNREACHABLE,
    ExitStatus.FAILED,
    ExitStatus.PARTIAL,
    ExitStatus.IN_PROGRESS,
    ExitStatus.OK,
)


@dataclass(frozen=True)
class Report:
    """A run as it is now: its `manifest`, the exit status, what there is to say, and the `command` that helps, if one does."""

    manifest: Manifest
    status: ExitStatus
    text: str
    command: str = ""

    def __str__(self) -> str:
        job = f" job_id={self.manifest.job_id}" if self.manifest.job_id else ""
        said = f"run_id={self.manifest.run_id}{job} status={self.manifest.status}: {self.text}"
        return f"{said}; {self.command}" if self.command else said

    @property
    def as_json(self) -> dict[str, Any]:
        """The same, as an object."""
        return {
            "run_id": self.manifest.run_id,
            "iteration_id": self.manifest.iteration_id,
            "job_id": self.manifest.job_id or None,
            "status": str(self.manifest.status),
            "state": self.manifest.section("scheduler").get("state"),
            "exit_status": int(self.status),
            "text": self.text,
            "command": self.command or None,
            "manifest": self.manifest.path,
        }


def report_of(
    manifest: Manifest, error: SlurmError | None = None, done: Sequence[Action] = ()
) -> Report:
    """What there is to say of a run, after `done` was done and `error`, if any, stopped it.

    >>> from slurm.runs.moments import now
    >>> report = report_of(Manifest.new("iter1", "run_slurm.sbatch", started_at=now(), token="c0ffee"))
    >>> report.status, report.text
    (<ExitStatus.UNKNOWN: 7>, 'nobody knows whether it was submitted')
    """
    if error is not None:
        away = isinstance(error, (SchedulerUnreachable, TransportError))
        status = ExitStatus.UNREACHABLE if away else ExitStatus.ERROR
        text = " ".join(str(error).split())
        return Report(manifest, status, text, "slurm run" if away else "")
    if manifest.status is RunStatus.PENDING:
        return _of_pending(manifest)
    if manifest.status in (RunStatus.SUBMITTED, RunStatus.RUNNING):
        return _of_live(manifest)
    return _of_last(manifest)


def _of_pending(manifest: Manifest) -> Report:
    about = manifest.section("submission")
    said = str(about.get("error", ""))
    run_id, wanted = manifest.run_id, next_action(manifest)
    if wanted.action is Action.ASK:
        return Report(manifest, ExitStatus.UNKNOWN, wanted.why, wanted.command)
    if about.get("outcome") == "rejected":
        text = f"the scheduler refused it: {said}"
        mend = (
            f"slurm runs mark {run_id} failed"
            if manifest.section("sdk")
            else "mend the script, then: slurm run"
        )
        return Report(manifest, ExitStatus.ERROR, text, mend)
    if about.get("outcome") == "not submitted":
        return Report(manifest, ExitStatus.IN_PROGRESS, "it is not submitted yet", "slurm run")
    why = f": {said}" if said else ""
    text = f"nobody knows whether it was submitted{why}"
    return Report(manifest, ExitStatus.UNKNOWN, text, "" if not why else "slurm run looks again")


def _of_live(manifest: Manifest) -> Report:
    job, wanted = job_status(manifest), next_action(manifest)
    if wanted.action is Action.ASK:
        return Report(manifest, ExitStatus.IN_PROGRESS, wanted.why, wanted.command)
    if not manifest.section("scheduler"):
        return Report(manifest, ExitStatus.IN_PROGRESS, "the scheduler has it")
    if not job.finished:
        waits = f" ({job.pending_reason})" if job.pending_reason else ""
        on = f" on {job.node}" if job.node and not waits else ""
        return Report(manifest, ExitStatus.IN_PROGRESS, f"job is {job.state}{waits}{on}")
    about = manifest.section("artifact_sync_to_local")
    if manifest.sync is SyncStatus.FAILED:
        return Report(manifest, ExitStatus.PARTIAL, *_missing(manifest, about))
    return Report(
        manifest,
        ExitStatus.IN_PROGRESS,
        "its job has completed, its artifacts are not here yet",
        "slurm run",
    )


def _missing(manifest: Manifest, about: Any) -> tuple[str, str]:
    missing = ", ".join(about.get("missing", ()))
    parts = [f"artifacts are missing: {missing}" if missing else "", about.get("error", "")]
    return "; ".join(filter(None, parts)), f"slurm runs sync {manifest.run_id}"


def _of_last(manifest: Manifest) -> Report:
    metrics = manifest.section("extraction").get("status", "")
    if manifest.status is RunStatus.FAILED:
        return Report(manifest, ExitStatus.FAILED, _why_failed(manifest))
    if not metrics:
        return Report(manifest, ExitStatus.IN_PROGRESS, "its artifacts are here", "slurm run")
    if metrics == "completed":
        return Report(manifest, ExitStatus.OK, "its metrics are in metrics.json")
    return Report(
        manifest,
        ExitStatus.PARTIAL,
        f"its metrics are {metrics}",
        f"see missing_evidence: slurm runs show {manifest.run_id}",
    )


def _why_failed(manifest: Manifest) -> str:
    about = manifest.section("scheduler")
    history = manifest.content.get("history") or [{}]
    why = history[-1].get("why", "") or "somebody has written so"
    more = [
        f"{name.replace('_', ' ')} {about[name]}"
        for name in ("reason", "exit_code")
        if about.get(name) not in (None, "None", "0:0")
    ]
    logs = manifest.section("logs").get("files") or ()
    more += [f"its log: {_log_of_what_failed(manifest, logs)}"] if logs else []
    return ", ".join([why, *more])


def _log_of_what_failed(manifest: Manifest, logs: Sequence[str]) -> str:
    """The log of an element that did not complete, where the run is an array; else the first."""
    reason = str(manifest.section("scheduler").get("reason", ""))
    children = manifest.section("sdk").get("children") or ()
    failed = [str(one["job_id"]) for one in children if one.get("state") not in GOOD]
    failed += [word.strip(",") for word in reason.split() if "_" in word]
    named = (log for job_id in failed for log in logs if f"_{job_id}." in log)
    return next(named, logs[0])


def exit_status(reports: Iterable[Report]) -> ExitStatus:
    """What a command ends with that was about all of these runs.

    >>> exit_status([])
    <ExitStatus.OK: 0>
    """
    found = {one.status for one in reports}
    return next((one for one in URGENCY if one in found), ExitStatus.OK)
