"""Cancels the jobs of runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slurm.errors import SlurmError
from slurm.runs import store
from slurm.runs.advance import Advance
from slurm.runs.manifest import Manifest
from slurm.runs.moments import now
from slurm.runs.report import Report, report_of
from slurm.runs.step import LIVE, Action, Teller, next_action

if TYPE_CHECKING:
    from slurm.runs.clusters import Clusters
    from slurm.runs.policy import Policy

BY = "slurm runs cancel"


def cancel(manifests: Sequence[Manifest], clusters: Clusters, policy: Policy) -> list[Report]:
    """How far these runs are after their jobs were cancelled; those that were never submitted are given up."""
    looking = Advance(clusters, policy, BY, actions={Action.LOOK_UP})
    reports = [_given_up(one) for one in looking.all(manifests)]
    live = [one.manifest for one in reports if one.manifest.status in LIVE and one.manifest.job_id]
    failures = _cancelled(live, clusters)
    seeing = Advance(clusters, policy, BY, actions={Action.OBSERVE})
    seen = {one.manifest.path: one for one in seeing.all([one.manifest for one in reports])}
    found = []
    for report in reports:
        failure = failures.get(report.manifest.path)
        after = seen[report.manifest.path]
        found.append(report_of(after.manifest, failure) if failure else after)
    return found


def _given_up(report: Report) -> Report:
    manifest = report.manifest
    if next_action(manifest).action is not Action.SUBMIT:
        return report
    teller = Teller(now(), BY)

    def given_up(found: Manifest) -> Manifest:
        if next_action(found).action is not Action.SUBMIT:  # somebody submits it right now
            return found
        return teller.given_up(found, "it was cancelled before it was submitted")

    return report_of(store.change(Path(manifest.path), given_up))


def _cancelled(manifests: Sequence[Manifest], clusters: Clusters) -> dict[str, SlurmError]:
    """Cancel all jobs, those of one cluster at once; by the manifest's path, why that was not possible."""
    failures: dict[str, SlurmError] = {}
    together: dict[int, list[Manifest]] = {}
    found = {}
    for one in manifests:
        try:
            cluster = clusters.of(one)
        except SlurmError as error:
            failures[one.path] = error
            continue
        found[id(cluster)] = cluster
        together.setdefault(id(cluster), []).append(one)
    for key, runs in together.items():
        try:
            found[key].backend.cancel_jobs([one.job_id for one in runs])
        except SlurmError as error:
            failures.update({one.path: error for one in runs})
    return failures
