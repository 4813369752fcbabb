"""Named checks of runs, by stage: a line for each, with what mends it. No check of a stage passes in silence."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable, Iterator, Mapping

from slurm.config.findings import Finding, Verdict
from slurm.runs import checks, later_checks
from slurm.runs.check_files import CheckedFiles
from slurm.runs.checks import Subject
from slurm.runs.ledger_lines import LedgerError
from slurm.runs.manifest import Manifest
from slurm.runs.metrics import in_progress
from slurm.runs.policy import Policy

Check = Callable[[Subject], Finding]


class Stage(str, enum.Enum):
    """A stage of a run: its launch, its time with the scheduler, and the extraction of its metrics."""

    LAUNCH = "launch"
    MONITOR = "slurm_monitor"
    EXTRACT = "extract_results"

    def __str__(self) -> str:
        return self.value


RECORD: tuple[Check, ...] = (
    *(checks.run_directory, checks.job_id, checks.submission, checks.in_ledger),
    *(checks.sync_status, checks.design, checks.timestamps),
)
CHECKS: Mapping[Stage, tuple[Check, ...]] = {
    Stage.LAUNCH: (*RECORD, checks.script),
    Stage.MONITOR: (
        *RECORD,
        *(later_checks.scheduler, later_checks.way_on, later_checks.artifacts),
    ),
    Stage.EXTRACT: (*RECORD, later_checks.artifacts),
}


def verify_run(
    manifest: Manifest,
    stage: Stage,
    policy: Policy,
    *,
    files: CheckedFiles,
    text_of_ledger: str | LedgerError | None,
    now: datetime.datetime,
) -> list[Finding]:
    """What the checks of a stage find in a run.

    `files` is what `slurm.runs.check_files.look` has seen; `text_of_ledger` is None where there is no ledger, the error where
    it cannot be read. Its status is compared after the launch.

    >>> from slurm.runs import check_files
    >>> from slurm.runs.policy import load_policy
    >>> from slurm.runs.moments import now
    >>> manifest = Manifest.new("iter1", "run_slurm.sbatch", started_at=now(), token="c0ffee")
    >>> files = check_files.look(manifest)
    >>> found = verify_run(manifest, Stage.LAUNCH, load_policy(), files=files, text_of_ledger=None, now=now())
    >>> print(next(one for one in found if one.name == "job-id"))
    FAIL job-id: the manifest has no job_id; fix: slurm run
    """
    run = Subject(manifest, policy, files, text_of_ledger, now, strict=stage is not Stage.LAUNCH)
    first = checks.manifest(run)
    if first.verdict is Verdict.FAIL:
        return [first]  # what it says cannot be relied on
    found = [first, *(check(run) for check in CHECKS[stage])]
    return [*found, *_of_metrics(run)] if stage is Stage.EXTRACT else found


def no_run(stage: Stage) -> Finding:
    """What is found where there is no run: a check that has nothing to look at does not pass."""
    return Finding(
        "runs", Verdict.FAIL, f"there is no run here to verify for {stage}", "slurm launch"
    )


def verdict_of(findings: list[Finding]) -> Verdict:
    """The worst of them.

    >>> print(verdict_of([no_run(Stage.LAUNCH)]))
    FAIL
    """
    found = {one.verdict for one in findings}
    return next((one for one in (Verdict.FAIL, Verdict.WARN) if one in found), Verdict.PASS)


def _of_metrics(run: Subject) -> Iterator[Finding]:
    if not in_progress(run.manifest):
        yield from later_checks.extracted(run)
        return
    text = f"the run is {run.manifest.status}: nothing is extracted before it has ended"
    yield Finding("metrics", Verdict.WARN, text, f"slurm runs monitor {run.run}")
