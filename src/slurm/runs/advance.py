"""Takes runs as far as they can go now, and never waits: does what `step` names, writes what came of it, and asks again.

All runs are observed together, with one question to the scheduler. The ledger follows the manifests, and is written once
for all of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from slurm.errors import SlurmError
from slurm.runs import ledger_file, store, submission
from slurm.runs.findings import printable
from slurm.runs.ledger_lines import LedgerError
from slurm.runs.lifecycle import SyncStatus
from slurm.runs.manifest import Manifest
from slurm.runs.moments import now
from slurm.runs.observe import ended_at, observe
from slurm.runs.report import Report, report_of
from slurm.runs.step import Action, Teller, next_action
from slurm.states import Observation

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.runs.clusters import Clusters
    from slurm.runs.policy import Policy
    from slurm.runs.sync import Progress

EVERY = frozenset(Action) - {Action.ASK, Action.NOTHING}
# What a monitor does: it submits nothing, and leaves the numbers to extraction.
MONITORED = EVERY - {Action.SUBMIT, Action.EXTRACT}
BEGINNING = frozenset({Action.LOOK_UP, Action.SUBMIT})


@dataclass
class _Run:
    """A run on its way; `error` is what stopped it."""

    manifest: Manifest
    error: SlurmError | None = None
    done: list[Action] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return Path(self.manifest.path)


class Advance:
    """Takes runs of a project on. `by` is the command that does, for their history; `actions` is what it may do.

    `progress` is told of artifacts on their way.
    """

    def __init__(
        self,
        clusters: Clusters,
        policy: Policy,
        by: str,
        *,
        actions: Iterable[Action] = EVERY,
        progress: Progress | None = None,
    ) -> None:
        self._clusters = clusters
        self._policy = policy
        self._by = by
        self._actions = frozenset(actions)
        self._progress = progress

    def all(self, manifests: Iterable[Manifest]) -> list[Report]:
        """How far each of these runs is, after all was done that can be done now; an error of one stops no other."""
        runs = [_Run(one) for one in manifests]
        self._enter(runs)
        for run in self._at(runs, BEGINNING):
            self._begin(run)
        self._observe(self._at(runs, {Action.OBSERVE}))
        self._enter(runs)  # before anything is copied, which may take long
        for run in self._at(runs, self._actions - BEGINNING - {Action.OBSERVE}):
            self._finish(run)
        self._enter(runs)
        return [report_of(run.manifest, run.error, run.done) for run in runs]

    def _at(self, runs: Sequence[_Run], actions: Iterable[Action]) -> list[_Run]:
        """Those that need one of these actions next, if it is one that may be done."""
        wanted = self._actions & frozenset(actions)
        return [
            run for run in runs if run.error is None and next_action(run.manifest).action in wanted
        ]

    def _enter(self, runs: Sequence[_Run]) -> None:
        """Have the ledger say what the manifests say. A run whose entry has another job is stopped."""
        entered = [run for run in runs if run.manifest.is_slurm and run.error is None]
        try:
            outcomes = ledger_file.append_all(
                self._policy.ledger, [one.manifest for one in entered]
            )
        except LedgerError as error:
            for run in entered:
                run.error = error
            return
        for run, outcome in zip(entered, outcomes):
            if isinstance(outcome, LedgerError):
                run.error = LedgerError(f"{self._policy.ledger}: {outcome}")

    # Submission

    def _begin(self, run: _Run) -> None:
        for _ in BEGINNING:  # it is looked up, and then submitted
            action = next_action(run.manifest).action
            if action not in self._actions & BEGINNING or run.error or action in run.done:
                return
            run.done.append(action)
            effect = submission.look_up if action is Action.LOOK_UP else submission.submit
            try:
                cluster = self._clusters.of(run.manifest)
                after = effect(run.manifest, cluster, self._teller())
                run.manifest = self._written(run, after)
            except SlurmError as error:
                self._fails(run, error)

    def _written(self, run: _Run, after: Manifest) -> Manifest:
        """What a submission has become, in the manifest as it is now. Of two people, one may have been quicker."""
        about, job_id = after.section("submission"), after.job_id
        teller = self._teller()

        def told(manifest: Manifest) -> Manifest:
            manifest = manifest.with_keys(resource_request=after.content["resource_request"])
            if job_id:
                return teller.accepted(manifest, job_id)
            outcome, error = about.get("outcome"), str(about.get("error", ""))
            if outcome == "rejected":
                return teller.refused(manifest, error)
            if outcome == "not submitted":
                return teller.not_found(manifest)
            return teller.in_doubt(manifest, error)

        return store.change(run.path, told)

    # Observation

    def _observe(self, runs: Sequence[_Run]) -> None:
        for cluster, together in self._by_cluster(runs).items():
            try:
                seen = observe(cluster.backend, [run.manifest for run in together])
            except SlurmError as error:
                for run in together:
                    self._fails(run, error)
                continue
            for run, one in zip(together, seen):
                run.done.append(Action.OBSERVE)
                self._change(run, functools.partial(self._seen, seen=one))

    def _seen(self, manifest: Manifest, seen: Observation) -> Manifest:
        return self._teller().observed(manifest, seen, ended_at(seen))

    def _by_cluster(self, runs: Sequence[_Run]) -> Mapping[Cluster, list[_Run]]:
        found: dict[Cluster, list[_Run]] = {}
        for run in runs:
            try:
                found.setdefault(self._clusters.of(run.manifest), []).append(run)
            except SlurmError as error:
                run.error = error
        return found

    # What follows

    def _finish(self, run: _Run) -> None:
        steps: dict[Action, Callable[[_Run], None]] = {
            Action.SYNC: self._sync,
            Action.COPY_LOGS: self._copy_logs,
            Action.EXTRACT: self._extract,
        }
        while run.error is None:
            action = next_action(run.manifest).action
            if action not in self._actions or action not in steps or action in run.done:
                return
            run.done.append(action)
            try:
                steps[action](run)
            except SlurmError as error:
                self._fails(run, error)

    def _sync(self, run: _Run) -> None:
        if run.manifest.sync is SyncStatus.OK:  # somebody has brought them home, and written so
            self._change(run, lambda m: self._teller().synced(m))
            return
        from slurm.runs.sync import sync_run

        self._change(run, lambda m: self._teller().syncing(m))
        arrived = sync_run(
            run.manifest, self._clusters.of(run.manifest), self._policy, self._progress
        )
        self._change(run, lambda m: self._teller().arrived(m, arrived))

    def _copy_logs(self, run: _Run) -> None:
        from slurm.runs.logs import copy_logs

        files, error = copy_logs(run.manifest, self._clusters.of(run.manifest).backend)
        self._change(run, lambda m: self._teller().logs_copied(m, files, error))

    def _extract(self, run: _Run) -> None:
        from slurm.runs.extract import extract_run

        metrics = extract_run(run.manifest, lambda: self._clusters.of(run.manifest))
        self._change(run, lambda m: self._teller().extracted(m, metrics))

    def _change(self, run: _Run, function: Callable[[Manifest], Manifest]) -> None:
        try:
            run.manifest = store.change(run.path, function)
        except SlurmError as error:
            run.error = error

    def _fails(self, run: _Run, error: SlurmError) -> None:
        run.error = error
        if submission.unreachable(error):
            said = printable(str(error))
            self._change(run, lambda m: Teller(now(), self._by).unreachable(m, said))
            run.error = error

    def _teller(self) -> Teller:
        return Teller(now(), self._by)
