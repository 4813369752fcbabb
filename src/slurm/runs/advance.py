"""Takes runs as far as they can go now, and never waits: does what `step` names, writes what came of it, and asks again.

All runs are observed together, with one question to the scheduler. The ledger follows the manifests, and is written once
for all of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from slurm.config.findings import printable
from slurm.errors import ConfigError, RemoteFileError, SchedulerUnreachable, SlurmError
from slurm.runs import ledger_file, store, submission
from slurm.runs.ledger_lines import LedgerError
from slurm.runs.lifecycle import RunStatus
from slurm.runs.manifest import Manifest
from slurm.runs.moments import now
from slurm.runs.observe import ended_at, observe
from slurm.runs.report import ExitStatus, Report, report_of
from slurm.runs.step import Action, Teller, has_live_job, next_action
from slurm.states import Observation

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.runs.clusters import Clusters
    from slurm.runs.fetch import Told
    from slurm.runs.policy import Policy

EVERY = frozenset(Action) - {Action.ASK, Action.NOTHING}
# What a monitor does: it submits nothing, and leaves the numbers to extraction.
MONITORED = EVERY - {Action.SUBMIT, Action.EXTRACT}
Effect = Callable[[Manifest, "Cluster", Teller], Manifest]
# In this order: what was not submitted, as has been found out, is submitted.
BEGINNING: Mapping[Action, Effect] = {
    Action.LOOK_UP: submission.look_up,
    Action.SUBMIT: submission.submit,
}


@dataclass
class _Run:
    """A run on its way; `error` is what stopped it, `not_entered` why it is not in the ledger as it should be."""

    manifest: Manifest
    error: SlurmError | None = None
    not_entered: SlurmError | None = None
    done: list[Action] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return Path(self.manifest.path)

    @property
    def report(self) -> Report:
        """How far it is."""
        found = report_of(self.manifest, self.error, self.done)
        if self.not_entered is None or self.error is not None:
            return found
        text = f"{found.text}; but it is not in the ledger: {self.not_entered}"
        return replace(found, status=ExitStatus.ERROR, text=text)


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
        progress: Told | None = None,
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
        for action, effect in BEGINNING.items():
            for run in self._at(runs, {action}):
                if action is Action.SUBMIT and run.not_entered is not None:
                    run.error = _not_submitted(run.not_entered)
                else:
                    self._begin(run, action, effect)
        self._observe(runs)
        self._enter(runs)  # before anything is copied, which may take long
        for run in self._at(runs, self._actions - {*BEGINNING, Action.OBSERVE}):
            self._finish(run)
        self._enter(runs)
        return [run.report for run in runs]

    def enter(self, manifests: Iterable[Manifest]) -> list[Report]:
        """Have the ledger follow runs that need nothing else; what is wrong with those of which that is not possible.

        Whoever took them to their end may have died before. Where the ledger cannot be written, that is said once.
        """
        runs = [_Run(one) for one in manifests]
        self._enter(runs)
        wrong = [run for run in runs if run.error is not None]
        return [run.report for run in wrong or [run for run in runs if run.not_entered][:1]]

    def submit(self, manifest: Manifest) -> Report:
        """How far a run is after it was submitted, which has just been written, and which nobody has submitted before.

        Nothing is submitted where the ledger cannot be written.
        """
        run = _Run(manifest)
        self._enter([run])
        if run.not_entered is not None:
            run.error = _not_submitted(run.not_entered)
        if run.error is None:
            self._begin(run, Action.SUBMIT, submission.submit)
            self._enter([run])
        return run.report

    def _at(self, runs: Sequence[_Run], actions: Iterable[Action]) -> list[_Run]:
        """Those that need one of these actions next, if it is one that may be done."""
        wanted = self._actions & frozenset(actions)
        return [
            run for run in runs if run.error is None and next_action(run.manifest).action in wanted
        ]

    def _enter(self, runs: Sequence[_Run]) -> None:
        """Have the ledger say what the manifests say. A run whose entry has another job is stopped."""
        entered = [run for run in runs if run.manifest.is_slurm and run.error is None]
        path = self._policy.ledger
        try:
            outcomes = ledger_file.append_all(path, [one.manifest for one in entered])
        except LedgerError as error:  # which can be made anew at any time
            for run in entered:
                run.not_entered = error
            return
        for run, outcome in zip(entered, outcomes):
            run.not_entered = None
            if isinstance(outcome, LedgerError):
                run.error = LedgerError(f"{path}: {outcome}")

    # Submission

    def _begin(self, run: _Run, action: Action, effect: Effect) -> None:
        run.done.append(action)
        try:
            cluster = self._clusters.of(run.manifest)
            if action is Action.SUBMIT:  # from here on, until somebody answers, nobody knows
                run.manifest = store.change(run.path, self._teller().asking)
                if run.manifest.status is not RunStatus.PENDING:
                    return  # somebody else was quicker
            run.manifest = self._written(run, effect(run.manifest, cluster, self._teller()))
            run.error = _given_up_meanwhile(run.manifest)
        except SlurmError as error:
            if action is Action.SUBMIT and isinstance(error, (ConfigError, SchedulerUnreachable)):
                self._change(run, self._teller().not_found)  # nobody was asked, for certain
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
        if Action.OBSERVE not in self._actions:
            return
        live = [run for run in runs if run.error is None and has_live_job(run.manifest)]
        for cluster, together in self._by_cluster(live).items():
            try:
                seen = observe(cluster, [run.manifest for run in together])
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
        from slurm.runs.arrival import is_marked, told
        from slurm.runs.sync import sync_run

        if is_marked(run.manifest):  # somebody has brought them home, and written so
            self._change(run, lambda m: self._teller().synced(m))
            return
        before = run.manifest
        cluster = self._clusters.of(before)
        self._change(run, lambda m: self._teller().syncing(m))
        try:
            arrived = sync_run(before, cluster, self._policy, self._progress)
        except SlurmError:  # none are on their way any more
            was = str(before.sync)
            self._change(run, lambda m: m.having("artifact_sync_to_local", status=was))
            raise
        self._change(run, lambda m: told(self._teller(), m, arrived))

    def _copy_logs(self, run: _Run) -> None:
        from slurm.runs.logs import copy_logs

        files, error = copy_logs(run.manifest, self._clusters.of(run.manifest).backend)
        self._change(run, lambda m: self._teller().logs_copied(m, files, error))

    def _extract(self, run: _Run) -> None:
        from slurm.runs.extract import extract_run

        self._note_children(run)

        metrics = extract_run(run.manifest, lambda: self._clusters.of(run.manifest))
        self._change(run, lambda m: self._teller().extracted(m, metrics))

    def _note_children(self, run: _Run) -> None:
        """List the jobs of a workflow, and the elements of an array, whose program did not live to do so."""
        from slurm.runs.sdk_children import children_of, knows_all
        from slurm.runs.sdk_runs import with_children

        if knows_all(run.manifest):
            return
        try:
            rows = children_of(run.manifest, self._clusters.of(run.manifest))
        except (RemoteFileError, ConfigError):
            return  # its directory is not there any more, or not to be read: the run goes on without
        self._change(run, lambda m: with_children(m, rows, len(rows)))

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


def _given_up_meanwhile(manifest: Manifest) -> SlurmError | None:
    """What is wrong where somebody has marked a run as failed while another one submitted it: its job goes on."""
    if not (manifest.ended and manifest.job_id):
        return None
    return SlurmError(
        f"somebody has marked it {manifest.status} while it was submitted: scancel {manifest.job_id} ends its job"
    )


def _not_submitted(error: SlurmError) -> SlurmError:
    return LedgerError(
        f"it is not submitted, for its line cannot be written: {error}; mend that, then: slurm run"
    )
