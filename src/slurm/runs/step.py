"""What a run needs next, and what becomes of its manifest when that is done: functions of values, without a file.

`next_action` names one thing to do. Whoever did it tells what came of it with one of the functions below, writes the
manifest that it returns, and asks again, until there is nothing that can be done now.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Sequence
from dataclasses import dataclass

from slurm.errors import ConfigError
from slurm.runs.lifecycle import ORDER, RunStatus, SyncStatus, status_for
from slurm.runs.manifest import NOT_SUBMITTED, Manifest
from slurm.runs.moments import moment_of, text_of
from slurm.states import ACTIVE, NO_REASON, JobState, JobStatus, Observation, parse_state, reduce

FRESH = 60.0  # seconds for which what was observed need not be written down again
LIVE = (RunStatus.SUBMITTED, RunStatus.RUNNING)


class Action(str, enum.Enum):
    """One thing to do for a run.

    - ``look up``: ask the scheduler whether the submission became a job, whose answer nobody has;
    - ``submit``: submit it; there is no job of it;
    - ``observe``: ask the scheduler about its job;
    - ``sync``: bring its artifacts home, and look whether all are here that are required;
    - ``copy logs``: bring home what a failed run left, as far as it can be had;
    - ``extract``: compute its metrics, or write down which evidence is missing;
    - ``ask``: only a person can say how it goes on;
    - ``nothing``: it is at its end.
    """

    LOOK_UP = "look up"
    SUBMIT = "submit"
    OBSERVE = "observe"
    SYNC = "sync"
    COPY_LOGS = "copy logs"
    EXTRACT = "extract"
    ASK = "ask"
    NOTHING = "nothing"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Next:
    """What a run needs: the action, why, and for a person the `command` that helps."""

    action: Action
    why: str = ""
    command: str = ""


def next_action(manifest: Manifest) -> Next:
    """What a run needs next, by its manifest alone.

    >>> from slurm.runs.moments import now
    >>> manifest = Manifest.new("iter1", "run_slurm.sbatch", started_at=now(), token="c0ffee")
    >>> print(next_action(manifest).action)
    look up
    >>> print(next_action(Teller(now(), "slurm launch").accepted(manifest, "4711")).action)
    observe
    """
    if manifest.status is RunStatus.PENDING:
        return _of_pending(manifest)
    if manifest.status in LIVE:
        return _of_live(manifest)
    extracted = bool(manifest.section("extraction"))
    if manifest.status is RunStatus.FAILED and not extracted:
        if manifest.job_id and not manifest.section("logs"):
            return Next(Action.COPY_LOGS, "what it left is evidence")
        return Next(Action.EXTRACT, "what failed has metrics that say so")
    if manifest.status is RunStatus.SYNCED:
        return Next(Action.EXTRACT, "its artifacts are here")
    if _arrived_since(manifest):
        return Next(Action.EXTRACT, "artifacts have come since its metrics were written")
    return Next(Action.NOTHING, f"it is {manifest.status}")


def _arrived_since(manifest: Manifest) -> bool:
    """Whether somebody has brought the artifacts of a run that ended after its metrics were extracted."""
    came, written = (
        manifest.section(name).get("at") for name in ("artifact_sync_to_local", "extraction")
    )
    here = manifest.sync is SyncStatus.OK
    return bool(here and came and written and moment_of(came) > moment_of(written))


def _of_pending(manifest: Manifest) -> Next:
    about = manifest.section("submission")
    outcome = about.get("outcome")
    if not about.get("token"):
        why = "it was not written by a launch: nothing is known of its submission"
        return Next(Action.ASK, why, f"slurm runs mark {manifest.run_id} failed")
    if outcome in NOT_SUBMITTED and manifest.section("sdk"):
        # Its arguments are in the program that called the task, and in no file.
        why = f"there is no job of it ({outcome}), and only its program can submit it again"
        return Next(Action.ASK, why, f"slurm runs mark {manifest.run_id} failed")
    if outcome in NOT_SUBMITTED:
        return Next(Action.SUBMIT, f"there is no job of it ({outcome})")
    return Next(Action.LOOK_UP, "nobody knows whether it was submitted")


def _of_live(manifest: Manifest) -> Next:
    job = job_status(manifest)
    if job.never_starts:
        why = f"job {manifest.job_id} never starts: {job.reason}"
        return Next(Action.ASK, why, f"slurm runs cancel {manifest.run_id}")
    if not job.finished:
        return Next(Action.OBSERVE, "its job has not ended yet")
    if job.state is JobState.COMPLETED:
        return Next(Action.SYNC, "its job has completed")
    if manifest.sync is SyncStatus.OK:
        return Next(Action.SYNC, "a person says that its artifacts are here")
    why = f"nobody knows how job {manifest.job_id} ended: {job.reason or 'the scheduler has forgotten it'}"
    mark = f"slurm runs mark {manifest.run_id}"
    return Next(Action.ASK, why, f"{mark} completed, or {mark} failed")


def has_live_job(manifest: Manifest) -> bool:
    """Whether the scheduler may have news of its job: also of one that never starts, which somebody may cancel or mend."""
    return manifest.status in LIVE and not job_status(manifest).finished


def job_status(manifest: Manifest) -> JobStatus:
    """What the manifest says of the run's job."""
    known = manifest.section("scheduler")
    return JobStatus(
        state=parse_state(known.get("state") or "PENDING"),
        finished=bool(known.get("ended")),
        forgotten=bool(known.get("missing_since")),
        reason=known.get("reason", ""),
        exit_code=known.get("exit_code", ""),
        node=known.get("node", ""),
        sightings=int(known.get("sightings", 0)),
    )


@dataclass(frozen=True)
class Teller:
    """Who says what became of an action, and when: the `by` and `at` of the lines in a run's history."""

    at: datetime.datetime
    by: str

    def accepted(self, manifest: Manifest, job_id: str) -> Manifest:
        """The scheduler has taken the run's job. Raises ``ConfigError`` where it has another one already.

        A run that somebody has given up meanwhile stays failed, and its job is known.
        """
        if manifest.job_id and manifest.job_id != job_id:
            raise ConfigError(
                f"run {manifest.run_id} is job {manifest.job_id} already, not {job_id}"
            )
        if manifest.job_id and manifest.status is not RunStatus.PENDING:
            return manifest  # somebody else has heard the same answer
        known = manifest.having("submission", outcome="accepted", error=None)
        known = known.with_keys(job_id=job_id)
        if manifest.ended:
            return known
        return self._moved(known, RunStatus.SUBMITTED, f"it is job {job_id}")

    def asking(self, manifest: Manifest) -> Manifest:
        """The scheduler is about to be asked for its job: should this process die, it is to be looked up."""
        if manifest.status is not RunStatus.PENDING:
            return manifest
        return manifest.having("submission", outcome="unknown", error=None)

    def adopted(self, manifest: Manifest, job_id: str) -> Manifest:
        """A person says that this is its job, which was submitted by hand: it has no token, nor the run's script."""
        return self.accepted(manifest, job_id).having("submission", adopted=True)

    def refused(self, manifest: Manifest, error: str) -> Manifest:
        """The scheduler did not take it: there is no job. It can be submitted again."""
        if manifest.status is not RunStatus.PENDING:
            return manifest  # somebody else has submitted it meanwhile
        return manifest.having("submission", outcome="rejected", error=error)

    def not_found(self, manifest: Manifest) -> Manifest:
        """Its submission has become no job, for certain."""
        if manifest.status is not RunStatus.PENDING:
            return manifest
        return manifest.having("submission", outcome="not submitted", error=None)

    def in_doubt(self, manifest: Manifest, error: str) -> Manifest:
        """Nobody can tell now whether it was submitted."""
        if manifest.status is not RunStatus.PENDING:
            return manifest
        return manifest.having("submission", outcome="unknown", error=error)

    def unreachable(self, manifest: Manifest, error: str) -> Manifest:
        """The scheduler could not be asked, which says nothing about the run."""
        return manifest.having("scheduler", probe_error=error)

    def observed(
        self, manifest: Manifest, seen: Observation, ended_at: datetime.datetime | None = None
    ) -> Manifest:
        """The scheduler has said something of the run's job. Statuses never move back; the job's state is free to.

        What has been known for less than `FRESH` seconds is not written down once more.
        """
        missing_since = None
        if seen.missing:
            known_since = manifest.section("scheduler").get("missing_since")
            since = min(moment_of(known_since), self.at) if known_since else self.at
            missing_since = text_of(since)
            seen = seen._replace(missing_for=(self.at - since).total_seconds())
        before = job_status(manifest)
        job = reduce(before, seen)
        restarts = int(manifest.section("scheduler").get("restarts", 0))
        if before.state in ACTIVE and job.state not in ACTIVE and not job.finished:
            restarts += 1  # it was requeued: as often as somebody looked
        known = manifest.having(
            "scheduler",
            state=str(job.state),
            reason=None if job.reason in NO_REASON else job.reason,
            exit_code=job.exit_code or None,
            node=job.node or None,
            restarts=restarts or None,
            source=seen.source,
            ended=job.finished or None,
            sightings=job.sightings or None,
            missing_since=missing_since,
            observed_at=text_of(self.at),
            probe_error=None,
        )
        followed = self._follow(known, job, ended_at)
        return manifest if self._is_old_news(manifest, followed) else followed

    def _is_old_news(self, before: Manifest, after: Manifest) -> bool:
        """Whether nothing is new but the time at which it was seen, which is written down, too."""
        was = before.section("scheduler").get("observed_at")
        if was is None or abs((self.at - moment_of(was)).total_seconds()) >= FRESH:
            return False
        return after.having("scheduler", observed_at=was).content == before.content

    def _follow(
        self, manifest: Manifest, job: JobStatus, ended_at: datetime.datetime | None
    ) -> Manifest:
        if manifest.ended or (job.finished and job.state is JobState.UNKNOWN):
            return manifest  # a person says how it ended
        wanted = status_for(job.state)
        if job.finished and job.state is not JobState.COMPLETED:
            wanted = RunStatus.FAILED
        elif ORDER.index(wanted) < ORDER.index(manifest.status):
            wanted = manifest.status  # requeued: it has run, and will again
        why = f"job {manifest.job_id} is {job.state}"
        if job.finished and job.state is JobState.COMPLETED and ended_at is not None:
            manifest = manifest.having("scheduler", ended_at=text_of(ended_at))
        moved = self._moved(manifest, wanted, why, ended_at)
        # What a task returns is in the job's directory: there is nothing to bring home.
        returned = manifest.section("sdk") and job.finished and job.state is JobState.COMPLETED
        return self.synced(moved) if returned else moved

    def syncing(self, manifest: Manifest) -> Manifest:
        """Its artifacts are on their way, unless somebody else has brought them meanwhile."""
        if manifest.status not in LIVE:
            return manifest
        return manifest.having("artifact_sync_to_local", status=str(SyncStatus.SYNCING))

    def synced(self, manifest: Manifest) -> Manifest:
        """All its artifacts are here."""
        here = manifest.having("artifact_sync_to_local", missing=None, error=None)
        if here.sync is not SyncStatus.OK:
            here = here.having("artifact_sync_to_local", status=str(SyncStatus.OK))
        sdk = here.section("sdk")
        why = "its result is in its job's directory" if sdk else "its artifacts are here"
        if here.ended:
            return here
        return self._moved(here, RunStatus.SYNCED, why)

    def not_synced(self, manifest: Manifest, missing: Sequence[str], error: str = "") -> Manifest:
        """Some required artifacts are not here: `missing`, or what went wrong. The run stays where it is."""
        return manifest.having(
            "artifact_sync_to_local",
            status=str(SyncStatus.FAILED),
            missing=list(missing) or None,
            error=error or None,
        )

    def logs_copied(self, manifest: Manifest, files: Sequence[str], error: str = "") -> Manifest:
        """What a failed run left is here, as far as it could be had."""
        return manifest.with_keys(
            logs={"files": list(files), **({"error": error} if error else {})}
        )

    def extracted(self, manifest: Manifest, metrics: str) -> Manifest:
        """Its metrics are written; `metrics` says how: completed, partial, failed."""
        done = manifest.having("extraction", status=metrics, at=text_of(self.at))
        if manifest.status is not RunStatus.SYNCED:
            return done
        ended = manifest.section("scheduler").get("ended_at")
        at = moment_of(ended) if ended else None
        return self._moved(done, RunStatus.COMPLETED, f"its metrics are {metrics}", at)

    def given_up(self, manifest: Manifest, why: str) -> Manifest:
        """There will be no more of it; of a run that has no job, none is to be expected either."""
        outcome = manifest.section("submission").get("outcome")
        if manifest.status is RunStatus.PENDING and outcome not in NOT_SUBMITTED:
            manifest = manifest.having("submission", outcome="not submitted")
        return self._moved(manifest, RunStatus.FAILED, why)

    def said_completed(self, manifest: Manifest, why: str) -> Manifest:
        """A person says that its job has completed, of whose end the scheduler tells nothing."""
        if not manifest.job_id:
            raise ConfigError(f"run {manifest.run_id} has no job that could have completed")
        known = manifest.having(
            "scheduler", state=str(JobState.COMPLETED), ended=True, source="person", reason=None
        )
        if manifest.status in (RunStatus.SYNCED, RunStatus.COMPLETED):
            return manifest
        return self._moved(known, RunStatus.RUNNING, why)

    def _moved(
        self,
        manifest: Manifest,
        wanted: RunStatus,
        why: str,
        ended_at: datetime.datetime | None = None,
    ) -> Manifest:
        return manifest.moved(wanted, at=self.at, by=self.by, why=why, ended_at=ended_at)
