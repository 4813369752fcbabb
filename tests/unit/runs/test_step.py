"""What a run needs next: every reachable state has a way on, and nothing is submitted twice."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm.errors import ConfigError
from slurm.runs.lifecycle import ORDER, RunStatus, SyncStatus
from slurm.runs.manifest import Manifest
from slurm.runs.moments import moment_of, text_of
from slurm.runs.step import Action, Teller, next_action
from slurm.states import LOST_AFTER, SIGHTINGS_TO_BELIEVE, JobState, Observation

STARTED = moment_of("2026-02-18T16:00:45Z")
TELLER = Teller(STARTED + datetime.timedelta(minutes=5), "slurm run")


def launched() -> Manifest:
    return Manifest.new("iter1", "run_slurm.sbatch", started_at=STARTED, token="c0ffee")


def submitted() -> Manifest:
    return TELLER.accepted(launched(), "4711")


def seen(state: str, source: str = "squeue", reason: str = "") -> Observation:
    return Observation("4711", source, JobState(state), reason)


def after(*states: str) -> Manifest:
    manifest = submitted()
    for state in states:
        manifest = TELLER.observed(manifest, seen(state))
    return manifest


@pytest.mark.parametrize(
    ("states", "status", "action"),
    [
        ((), "submitted", Action.OBSERVE),
        (("PENDING",), "submitted", Action.OBSERVE),
        (("RUNNING",), "running", Action.OBSERVE),
        (("RUNNING", "REQUEUED", "PENDING"), "running", Action.OBSERVE),
        (("RUNNING", "SUSPENDED"), "running", Action.OBSERVE),
        (("COMPLETING",), "running", Action.OBSERVE),
        (("COMPLETED",), "running", Action.SYNC),
        (("FAILED",), "failed", Action.COPY_LOGS),
        (("PENDING", "CANCELLED"), "failed", Action.COPY_LOGS),
        (("RUNNING", "TIMEOUT"), "failed", Action.COPY_LOGS),
        (("RUNNING", "NODE_FAIL"), "running", Action.OBSERVE),  # it may be requeued
        (("RUNNING", *["NODE_FAIL"] * SIGHTINGS_TO_BELIEVE), "failed", Action.COPY_LOGS),
    ],
)
def test_a_run_follows_its_job(states: tuple[str, ...], status: str, action: Action) -> None:
    manifest = after(*states)
    assert manifest.status == status
    assert next_action(manifest).action is action
    if states:
        assert manifest.section("scheduler")["observed_at"] == "2026-02-18T16:05:45Z"


def test_what_the_scheduler_said_is_a_section_of_its_own() -> None:
    """The job's state moves freely: the run that has begun stays ``running`` while its job waits once more."""
    again = Observation("4711", "squeue", JobState.PENDING, "BeginTime", node="c1")
    manifest = TELLER.observed(after("RUNNING"), again)
    assert manifest.status is RunStatus.RUNNING
    assert manifest.section("scheduler") == {
        "state": "PENDING",
        "reason": "BeginTime",
        "node": "c1",
        "restarts": 1,
        "source": "squeue",
        "observed_at": "2026-02-18T16:05:45Z",
    }
    failed = Observation("4711", "sacct", JobState.FAILED, exit_code="3:0")
    assert TELLER.observed(manifest, failed).section("scheduler")["exit_code"] == "3:0"
    assert (
        TELLER.unreachable(manifest, "no route").section("scheduler")["probe_error"] == "no route"
    )


def test_requeues_are_counted() -> None:
    manifest = after(
        "RUNNING", "COMPLETING", "PENDING", "RUNNING", "REQUEUED", "PENDING", "RUNNING"
    )
    assert manifest.section("scheduler")["restarts"] == 2
    assert "restarts" not in after("PENDING", "RUNNING", "COMPLETED").section("scheduler")


def test_the_same_news_twice_moves_nothing() -> None:
    once = after("RUNNING")
    assert TELLER.observed(once, seen("RUNNING")) is once


def test_a_scheduler_that_cannot_be_asked_changes_no_status() -> None:
    manifest = TELLER.unreachable(after("RUNNING"), "no route to host")
    assert manifest.status is RunStatus.RUNNING
    assert manifest.section("scheduler")["probe_error"] == "no route to host"
    assert "probe_error" not in TELLER.observed(manifest, seen("RUNNING")).section("scheduler")


def test_a_run_ends_when_the_scheduler_says_that_its_job_did() -> None:
    ended = STARTED + datetime.timedelta(minutes=2)
    failed = TELLER.observed(submitted(), seen("TIMEOUT", "sacct"), ended)
    assert failed.completed_at == ended
    done = TELLER.synced(TELLER.observed(submitted(), seen("COMPLETED", "sacct"), ended))
    assert done.completed_at is None
    assert TELLER.extracted(done, "completed").completed_at == ended


def test_artifacts_that_are_missing_keep_a_run_where_it_is() -> None:
    manifest = TELLER.not_synced(after("COMPLETED"), ["model.pt"])
    assert manifest.status is RunStatus.RUNNING
    assert manifest.sync is SyncStatus.FAILED
    assert manifest.section("artifact_sync_to_local")["missing"] == ["model.pt"]
    assert next_action(manifest).action is Action.SYNC
    there = TELLER.synced(manifest)
    assert there.status is RunStatus.SYNCED
    assert there.section("artifact_sync_to_local") == {"status": "ok"}


@pytest.mark.parametrize("word", ["ok", "success"])
def test_a_persons_word_for_ok_stays_as_it_is(word: str) -> None:
    manifest = after("COMPLETED").having("artifact_sync_to_local", status=word)
    assert TELLER.synced(manifest).section("artifact_sync_to_local")["status"] == word


def test_a_job_that_never_starts_is_a_matter_for_a_person() -> None:
    waits = TELLER.observed(submitted(), seen("PENDING", reason="DependencyNeverSatisfied"))
    ask = next_action(waits)
    assert ask.action is Action.ASK
    assert "DependencyNeverSatisfied" in ask.why
    assert ask.command == f"slurm runs cancel {waits.run_id}"


def test_a_job_of_whose_end_nobody_knows_is_a_matter_for_a_person() -> None:
    manifest = submitted()
    for _ in range(SIGHTINGS_TO_BELIEVE):
        assert next_action(manifest).action is Action.OBSERVE
        manifest = TELLER.observed(manifest, seen("UNKNOWN", "absent"))
    mark = f"slurm runs mark {manifest.run_id}"
    assert next_action(manifest).command == f"{mark} completed, or {mark} failed"
    marked = manifest.having("artifact_sync_to_local", status="ok")
    assert next_action(marked).action is Action.SYNC  # somebody has seen its artifacts


def test_a_run_that_was_given_up_while_it_was_submitted_has_its_job() -> None:
    manifest = TELLER.accepted(TELLER.given_up(launched(), "a person says so"), "4711")
    assert (manifest.status, manifest.job_id) == (RunStatus.FAILED, "4711")
    assert manifest.section("submission")["outcome"] == "accepted"
    assert next_action(manifest).action is Action.COPY_LOGS


def test_who_comes_late_with_the_artifacts_changes_nothing() -> None:
    """Another person has brought them home, and has extracted the metrics already."""
    done = TELLER.extracted(TELLER.synced(after("COMPLETED")), "completed")
    assert TELLER.syncing(done) is done
    assert TELLER.synced(TELLER.syncing(done)) is done


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_clock_that_was_set_stops_no_run(hours: int) -> None:
    """Nor is anything dated before what it follows."""
    other = Teller(TELLER.at + datetime.timedelta(hours=hours), "slurm run")
    manifest = other.observed(after("RUNNING"), seen("RUNNING"))
    assert manifest.section("scheduler")["observed_at"] == text_of(other.at)
    ended = other.observed(manifest, seen("COMPLETED"), STARTED - datetime.timedelta(hours=9))
    done = other.extracted(other.synced(ended), "completed")
    checked = Manifest.checked(done.content, "m.json")
    assert checked.status == "completed"
    assert checked.completed_at is not None
    assert checked.completed_at >= checked.started_at


def test_a_missing_job_is_given_up_although_the_clock_was_set_back() -> None:
    lost = seen("RUNNING", source="sacct")
    later = Teller(TELLER.at + datetime.timedelta(hours=5), "slurm run")
    manifest = later.observed(after("RUNNING"), lost)
    assert next_action(TELLER.observed(manifest, lost)).action is Action.OBSERVE
    manifest = TELLER.observed(manifest, lost)
    soon = Teller(TELLER.at + datetime.timedelta(seconds=LOST_AFTER), "slurm run")
    assert next_action(soon.observed(manifest, lost)).action is Action.ASK


def test_an_answer_that_somebody_else_has_heard_moves_nothing_back() -> None:
    running = after("RUNNING")
    assert TELLER.accepted(running, "4711") is running


def test_another_job_is_not_taken_for_the_runs() -> None:
    assert TELLER.accepted(submitted(), "4711").job_id == "4711"
    with pytest.raises(ConfigError, match="is job 4711 already, not 4712"):
        TELLER.accepted(submitted(), "4712")


# Runs of the SDK's own submissions


def sdk_run() -> Manifest:
    return launched().having("sdk", task="train", kind="job", job_dir="/jobs/train/1")


def test_only_its_program_can_submit_a_run_of_the_sdk_again() -> None:
    for told in (TELLER.not_found(sdk_run()), TELLER.refused(sdk_run(), "Invalid account")):
        ask = next_action(told)
        assert ask.action is Action.ASK
        assert ask.command == f"slurm runs mark {told.run_id} failed"
    assert next_action(sdk_run()).action is Action.LOOK_UP


def test_a_run_of_the_sdk_has_nothing_to_bring_home() -> None:
    ended = STARTED + datetime.timedelta(minutes=2)
    submitted = TELLER.accepted(sdk_run(), "4711")
    done = TELLER.observed(submitted, seen("COMPLETED", "sacct"), ended)
    assert (str(done.status), done.sync) == ("synced", SyncStatus.OK)
    assert next_action(done).action is Action.EXTRACT
    assert TELLER.extracted(done, "completed").completed_at == ended
    failed = TELLER.observed(submitted, seen("FAILED"))
    assert (failed.status, failed.sync) == (RunStatus.FAILED, SyncStatus.PENDING)


def test_a_client_is_believed_how_a_job_ended() -> None:
    failed = TELLER.observed(submitted(), seen("NODE_FAIL", "client"))
    assert failed.status is RunStatus.FAILED


# --- any world ---------------------------------------------------------------------------------------

STATES = [state for state in JobState if state is not JobState.UNKNOWN]


@dataclass
class World:
    """A scheduler and the files at home; `data` decides what happens."""

    data: st.DataObject
    job: str = ""
    ended: JobState | None = None
    submissions: int = 0
    done: list[str] = field(default_factory=list)

    def decide(self, *choices: str) -> str:
        return self.data.draw(st.sampled_from(choices))

    def answer(self, manifest: Manifest, *, calm: bool) -> Manifest:
        """Do what the run needs, and tell what came of it. In a `calm` world everything goes well in the end."""
        action = next_action(manifest).action
        self.done.append(str(action))
        if action is Action.LOOK_UP:
            if not calm and self.decide("answer", "silence") == "silence":
                return TELLER.in_doubt(manifest, "timed out")
            return TELLER.accepted(manifest, self.job) if self.job else TELLER.not_found(manifest)
        if action is Action.SUBMIT:
            return self.submit(manifest, calm=calm)
        if action is Action.OBSERVE:
            return self.observe(manifest, calm=calm)
        if action is Action.SYNC:
            here = calm or self.decide("all", "some") == "all"
            return TELLER.synced(manifest) if here else TELLER.not_synced(manifest, ["model.pt"])
        if action is Action.COPY_LOGS:
            return TELLER.logs_copied(manifest, [])
        if action is Action.EXTRACT:
            return TELLER.extracted(manifest, "partial")
        return manifest

    def submit(self, manifest: Manifest, *, calm: bool) -> Manifest:
        assert not self.job, "submitted although there is a job"
        how = "accepted" if calm else self.decide("accepted", "rejected", "lost", "never arrived")
        if how == "rejected":
            return TELLER.refused(manifest, "Invalid partition name specified")
        if how != "never arrived":
            self.job = "4711"
            self.submissions += 1
        if how == "accepted":
            return TELLER.accepted(manifest, self.job)
        return TELLER.in_doubt(manifest, "the connection broke")

    def observe(self, manifest: Manifest, *, calm: bool) -> Manifest:
        if calm:
            self.ended = self.ended or JobState.COMPLETED
            return TELLER.observed(manifest, Observation(self.job, "sacct", self.ended))
        what = self.decide("state", "reason", "absent", "unreachable")
        if what == "unreachable":
            return TELLER.unreachable(manifest, "no route to host")
        if what == "absent":
            return TELLER.observed(manifest, Observation(self.job, "absent"))
        reason = "DependencyNeverSatisfied" if what == "reason" else ""
        state = JobState.PENDING if reason else self.data.draw(st.sampled_from(STATES))
        return TELLER.observed(manifest, Observation(self.job, "squeue", state, reason))


def rank(manifest: Manifest) -> int:
    return 9 if manifest.status is RunStatus.FAILED else ORDER.index(manifest.status)


@given(st.data(), st.booleans())
def test_whatever_happened_the_next_runs_bring_it_to_an_end(data: st.DataObject, sdk: bool) -> None:
    """Each step may be the last of its process: what it would have written is lost then."""
    world, manifest = World(data), sdk_run() if sdk else launched()
    world.job = data.draw(st.sampled_from(["", "4711"])) if sdk else ""
    for _ in range(data.draw(st.integers(0, 12))):
        told = world.answer(manifest, calm=False)
        assert rank(told) >= rank(manifest)
        if data.draw(st.booleans(), label="killed before it could write"):
            # Before it submits, it writes down that nobody will know what became of it.
            submits = world.done[-1] == "submit"
            told = TELLER.in_doubt(manifest, "killed") if submits else manifest
        manifest = Manifest.parse(told.dump(), "m.json")
    for _ in range(12):
        manifest = Manifest.parse(world.answer(manifest, calm=True).dump(), "m.json")
    last = next_action(manifest)
    assert world.submissions <= 1
    assert last.action in (Action.NOTHING, Action.ASK)
    if last.action is Action.ASK:
        assert last.command.startswith("slurm runs ")
    else:
        assert manifest.ended
        assert manifest.section("extraction")
