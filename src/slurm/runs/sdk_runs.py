"""Runs of the SDK's own submissions, as data: their first manifest, what an answer makes of it, and their children."""

from __future__ import annotations

import datetime
import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slurm.errors import (
    DependencyFailed,
    SchedulerUnreachable,
    SubmissionError,
    SubmissionRefused,
    SubmissionUnknown,
)
from slurm.runs.clusters import recorded
from slurm.runs.lifecycle import RunStatus
from slurm.runs.manifest import LOCAL, NOT_SUBMITTED, SLURM, Manifest
from slurm.runs.step import Teller
from slurm.states import ACTIVE, JobState, Observation

if TYPE_CHECKING:
    from slurm.callbacks.contexts import (
        CompletedContext,
        JobStatusUpdatedContext,
        SubmitBeginContext,
    )
    from slurm.job_tree import JobNode, JobTree

MOST_CHILDREN = 1000  # that a manifest lists
WRITES = 20  # about how often the manifest of an array is written for its elements' sake


def first_manifest(
    ctx: SubmitBeginContext, iteration_id: str, run_id: str, path: str, at: datetime.datetime
) -> Manifest:
    """The manifest of a submission that is about to be made. Raises `ManifestError`."""
    cluster = {"backend": SLURM, "place": []} if ctx.cluster is None else recorded(ctx.cluster)
    manifest = Manifest.new(
        iteration_id,
        ctx.task_name,
        started_at=at,
        token=ctx.token,
        host_mode=LOCAL if cluster["backend"] == LOCAL else SLURM,
        resource_request=ctx.options,
        run_id=run_id,
        path=path,
    )
    sdk: dict[str, Any] = {"task": ctx.task_name, "job_dir": ctx.job_dir, "kind": _kind(ctx)}
    if ctx.array_size is not None:
        sdk["array_size"] = ctx.array_size
    return again(manifest, ctx).with_keys(cluster=cluster, sdk=sdk)


def _kind(ctx: SubmitBeginContext) -> str:
    if ctx.array_size is not None:
        return "array"
    return "workflow" if ctx.is_workflow else "job"


def again(manifest: Manifest, ctx: SubmitBeginContext) -> Manifest:
    """The manifest before the scheduler is asked, now or once more: how the job can be found is written down."""
    if manifest.status is not RunStatus.PENDING:
        return manifest
    lookup = ctx.lookups[0] if ctx.lookups else {"token": ctx.token}
    return manifest.having("submission", outcome="unknown", job_dir=ctx.job_dir, **lookup)


def may_go_on(manifest: Manifest) -> bool:
    """Whether a submission with the run's token is a submission of this run, not of a new one."""
    outcome = manifest.section("submission").get("outcome")
    return not (manifest.status is RunStatus.FAILED and outcome in NOT_SUBMITTED)


def accepted(teller: Teller, manifest: Manifest, job_ids: list[str], job_dir: str) -> Manifest:
    """The scheduler has taken it, or had taken it before."""
    if manifest.status is RunStatus.PENDING:
        manifest = teller.accepted(manifest, job_ids[0])
    elif not manifest.job_id:  # somebody has given it up meanwhile, and yet there is a job
        manifest = manifest.with_keys(job_id=job_ids[0]).having("submission", outcome="accepted")
    several = job_ids if len(job_ids) > 1 else None
    return manifest.having("sdk", job_dir=job_dir, job_ids=several)


def not_accepted(teller: Teller, manifest: Manifest, error: BaseException) -> Manifest:
    """There is no job of it, and no other program can make one; or nobody knows."""
    if manifest.status is not RunStatus.PENDING:
        return manifest
    why = " ".join(str(error).split()) or type(error).__name__
    if not is_certain(error):
        return teller.in_doubt(manifest, why)
    if isinstance(error, SubmissionRefused):
        manifest = teller.refused(manifest, why)
    else:
        manifest = teller.not_found(manifest).having("submission", error=why)
    return teller.given_up(manifest, why)


def is_certain(error: BaseException) -> bool:
    """Whether the error says that there is no job.

    >>> is_certain(SubmissionRefused("Invalid account")), is_certain(KeyboardInterrupt())
    (True, False)
    """
    sure = (SubmissionError, DependencyFailed, SchedulerUnreachable)
    return isinstance(error, sure) and not isinstance(error, SubmissionUnknown)


def seen_in(ctx: JobStatusUpdatedContext, source: str) -> Observation:
    """What a change of state says of the run's job."""
    return Observation(ctx.job_id, source, ctx.state, ctx.reason, node=ctx.node)


def end_in(ctx: CompletedContext) -> Observation:
    """What its end says of the run's job."""
    return Observation(ctx.job_id, "client", ctx.state, ctx.reason, ctx.exit_code, ctx.node)


def with_children(manifest: Manifest, rows: Iterable[Mapping[str, str]], total: int) -> Manifest:
    """The manifest with its children, of which the first are listed and all are counted."""
    listed = [dict(row) for row, _ in zip(rows, range(MOST_CHILDREN))]
    return manifest.having("sdk", children=listed, children_total=total)


def child(task: str, job_id: str, state: JobState, job_dir: str) -> dict[str, str]:
    """One of the children that a manifest lists."""
    return {"task": task, "job_id": job_id, "state": str(state), "job_dir": job_dir}


def children_in(tree: JobTree) -> list[dict[str, str]]:
    """The jobs below the first of a tree; an array is one."""
    rows = []

    def note(node: JobNode) -> None:
        for below in node.children if node.kind != "array" else ():
            job_dir = posixpath.join(tree.path, below.path)
            rows.append(child(below.task_name, below.job_id, below.state, job_dir))
            note(below)

    for root in tree.nodes[:1]:
        note(root)
    return rows


@dataclass
class Elements:
    """What is known of an array's elements. Not for several threads at once.

    - `size`: how many there are; `rows`: the first of them, by their index; `ended`: those that have, and how.
    - `changed`: whether something of this is news; `due`: whether it is time to write it down.
    """

    size: int
    rows: dict[int, dict[str, str]] = field(default_factory=dict)
    ended: dict[int, JobState] = field(default_factory=dict)
    ended_at: datetime.datetime | None = None
    running: bool = False
    changed: bool = False
    due: bool = False
    exit_code: str = ""
    _written_at: int = 0

    def updated(self, ctx: JobStatusUpdatedContext | CompletedContext) -> None:
        """An element is in this state now."""
        index = ctx.array_index or 0
        if index < MOST_CHILDREN and index not in self.ended:
            self.rows[index] = child(ctx.task_name, ctx.job_id, ctx.state, ctx.job_dir)
            self.changed = True
        if ctx.state in ACTIVE and not self.running:
            self.running = self.changed = self.due = True

    def completed(self, ctx: CompletedContext) -> None:
        """An element has ended."""
        self.updated(ctx)
        if not ctx.successful and not self.exit_code:
            self.exit_code = ctx.exit_code
        self.ended[ctx.array_index or 0] = ctx.state
        self.changed = True
        moments = [moment for moment in (self.ended_at, ctx.ended_at) if moment is not None]
        self.ended_at = max(moments, default=None)
        step = max(1, self.size // WRITES)
        if self.all_ended or len(self.ended) >= self._written_at + step:
            self.due = True
            self._written_at = len(self.ended)

    @property
    def all_ended(self) -> bool:
        """Whether there is nothing more to come."""
        return len(self.ended) >= self.size

    def seen(self, job_id: str, source: str) -> Observation | None:
        """What all of them together say of the array's job; None before the first one runs."""
        if self.all_ended:
            states = Counter(self.ended.values())
            worse = [state for state in states if state is not JobState.COMPLETED]
            state = JobState.FAILED if len(worse) > 1 else next(iter(worse), JobState.COMPLETED)
            failed = self.size - states[JobState.COMPLETED]
            reason = f"{failed} of {self.size} elements did not complete" if failed else ""
            return Observation(job_id, "client", state, reason, self.exit_code)
        if self.running or self.ended:
            return Observation(job_id, source, JobState.RUNNING)
        return None

    def taken(self) -> list[dict[str, str]]:
        """The rows by their index, to be written now."""
        self.changed = self.due = False
        return [self.rows[index] for index in sorted(self.rows)]
