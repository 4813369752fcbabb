"""What `slurm run` does with runs, over a scheduler that says what a test has it say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest
from tests.helpers.fakes import FakeBackend, Programs
from tests.helpers.run_manifests import RUN_ID, content, written
from tests.helpers.run_project import SCRIPT, Fixed

from slurm import Cluster
from slurm.api.requests import JobRequest
from slurm.api.slurm_cli import SlurmCliBackend
from slurm.errors import (
    SchedulerUnreachable,
    SlurmError,
    SubmissionRefused,
    SubmissionUnknown,
    TransportError,
)
from slurm.runs import ledger_file, locked_files, store
from slurm.runs.advance import EVERY, MONITORED, Advance
from slurm.runs.ledger_lines import Entry
from slurm.runs.manifest import Manifest
from slurm.runs.policy import Policy, load_policy
from slurm.runs.report import ExitStatus, Report, exit_status
from slurm.runs.selection import select
from slurm.runs.step import Action
from slurm.states import Observation

TOKEN = "c0ffee"
Run = Callable[..., list[Report]]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".slurm").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def policy(root: Path) -> Policy:
    return load_policy(root)


@pytest.fixture
def run(fake_cluster: Cluster, policy: Policy) -> Run:
    """Takes all runs of the project on."""

    def advance(actions: frozenset[Action] = EVERY) -> list[Report]:
        made = Advance(Fixed(fake_cluster), policy, "slurm run", actions=actions)
        return made.all(select(start=policy.root).manifests)

    return advance


def pending(root: Path, outcome: str = "unknown", run_id: str = RUN_ID) -> Path:
    """A run that is to be submitted."""
    path = written(
        root,
        status="pending",
        job_id=None,
        run_id=run_id,
        command="run_slurm.sbatch",
        submission={"token": TOKEN, "outcome": outcome, "job_dir": f"{root}/jobs/1"},
        artifacts={"remote": str(root / "outputs")},
    )
    path.parents[2].joinpath("run_slurm.sbatch").write_text(SCRIPT)
    return path


def found_as(backend: FakeBackend, *answers: str | SlurmError | None) -> list[str]:
    """Has the backend answer so when it is asked for a submission; returns the tokens that it is asked for."""
    asked: list[str] = []
    left = list(answers)

    def find_job(job_dir: str, *, token: str, **about: str) -> str | None:
        asked.append(token)
        answer = left.pop(0)
        if isinstance(answer, SlurmError):
            raise answer
        return answer

    backend.find_job = find_job  # type: ignore[method-assign]
    return asked


def test_a_lost_answer_is_looked_up_and_never_a_second_job(
    root: Path, run: Run, backend: FakeBackend
) -> None:
    path = pending(root)
    asked = found_as(backend, SubmissionUnknown("it may know it for 9 s more"), "4711")
    [report] = run()
    assert report.status is ExitStatus.UNKNOWN
    assert "it may know it for 9 s more" in report.text
    [report] = run(EVERY - {Action.OBSERVE})
    assert (report.manifest.status, report.manifest.job_id) == ("submitted", "4711")
    assert asked == [TOKEN, TOKEN]
    assert backend.requests == []
    assert Entry.of(store.read(path)).job_id == "4711"
    assert "job_id=4711" in ledger_file.read(root / "docs/slurm_job_list.md")


def test_what_is_shown_not_to_exist_is_submitted_with_its_token(
    root: Path, run: Run, backend: FakeBackend
) -> None:
    pending(root)
    found_as(backend, None)
    [report] = run(EVERY - {Action.OBSERVE})
    assert report.manifest.status == "submitted"
    [request] = backend.requests
    assert request.token == TOKEN


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [
        (SubmissionRefused("sbatch: error: invalid partition"), ExitStatus.ERROR, "rejected"),
        (SubmissionUnknown("no answer"), ExitStatus.UNKNOWN, "unknown"),
        (SchedulerUnreachable("slurmctld is down"), ExitStatus.UNREACHABLE, "not submitted"),
    ],
)
def test_what_becomes_of_a_submission(
    root: Path,
    run: Run,
    backend: FakeBackend,
    error: SlurmError,
    status: ExitStatus,
    outcome: str,
) -> None:
    path = pending(root, "not submitted")
    backend.refusal = error
    [report] = run()
    assert report.status is status
    assert str(error) in report.text
    manifest = store.read(path)
    assert (manifest.status, manifest.section("submission")["outcome"]) == ("pending", outcome)
    assert len(backend.requests) == 1


def test_a_connection_that_breaks_leaves_the_submission_open(
    root: Path, run: Run, backend: FakeBackend
) -> None:
    path = pending(root, "rejected")
    backend.submit_error = TransportError("connection lost")
    [report] = run()
    assert report.status is ExitStatus.UNREACHABLE
    manifest = store.read(path)
    assert manifest.section("submission")["outcome"] == "unknown"  # it may have got there
    found_as(backend, "4711")
    [report] = run(EVERY - {Action.OBSERVE})
    assert report.manifest.job_id == "4711"
    assert backend.requests == []


@pytest.mark.story
def test_a_thousand_runs_are_one_question(root: Path, run: Run, backend: FakeBackend) -> None:
    for number in range(1000):
        written(root, run_id=f"run{number}", job_id=str(number + 1))
        backend.say(str(number + 1), "RUNNING")
    reports = run(MONITORED)
    assert {one.status for one in reports} == {ExitStatus.IN_PROGRESS}
    assert len(backend.queries) == 1
    assert len(backend.queries[0]) == 1000
    text = ledger_file.read(root / "docs/slurm_job_list.md")
    assert text.count("status=running") == 1000


@pytest.mark.local
def test_a_thousand_runs_are_one_squeue_and_one_sacct(
    root: Path, policy: Policy, slurm: SlurmCliBackend, programs: Programs
) -> None:
    for number in range(1000):
        written(root, run_id=f"run{number}", job_id=str(number + 1))
    with closing(Cluster(slurm, job_base_dir=root / "jobs")) as cluster:
        advance = Advance(Fixed(cluster), policy, "slurm runs monitor", actions=MONITORED)
        reports = advance.all(select(start=root).manifests)
    assert len(reports) == 1000
    assert (len(programs.calls("squeue")), len(programs.calls("sacct"))) == (1, 1)


def test_no_lock_is_held_while_the_scheduler_is_asked(
    root: Path, run: Run, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locked_files, "PATIENCE", 1.0)
    path, ledger, ask = written(root), root / "docs/slurm_job_list.md", backend.query_jobs

    def meanwhile(job_ids: Sequence[str]) -> list[Observation]:
        store.change(path, lambda found: found.with_keys(note="of somebody else"))
        ledger_file.append(ledger, Manifest.checked(content(run_id="other"), "m.json"))
        return ask(job_ids)

    backend.query_jobs = meanwhile  # type: ignore[method-assign]
    backend.say("4711", "RUNNING")
    [report] = run()
    assert report.status is ExitStatus.IN_PROGRESS
    manifest = store.read(path)
    assert (manifest.status, manifest.content["note"]) == ("running", "of somebody else")
    assert f"run_id={RUN_ID} | status=running" in ledger.read_text()


def test_no_lock_is_held_while_artifacts_are_copied(
    root: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locked_files, "PATIENCE", 1.0)
    there = root / "cluster"
    there.mkdir()
    (there / "model.pt").write_text("x")
    done = {"state": "COMPLETED", "ended": True}
    path = written(root, status="running", scheduler=done, artifacts={"remote": str(there)})

    def meanwhile(*about: object) -> None:
        store.change(path, lambda found: found.with_keys(note="of somebody else"))

    with closing(Cluster("local", job_base_dir=root / "jobs")) as cluster:
        advance = Advance(Fixed(cluster), policy, "slurm run", progress=meanwhile)
        [report] = advance.all([store.read(path)])
    assert report.status is ExitStatus.OK
    manifest = store.read(path)
    assert (manifest.status, manifest.content["note"]) == ("completed", "of somebody else")


def test_an_unreachable_scheduler_changes_no_status(
    root: Path, run: Run, backend: FakeBackend
) -> None:
    path = written(root)
    backend.query_error = SchedulerUnreachable("slurmctld is down")
    [report] = run()
    assert report.status is ExitStatus.UNREACHABLE
    manifest = store.read(path)
    assert manifest.status == "submitted"
    assert manifest.section("scheduler") == {"probe_error": "slurmctld is down"}
    backend.query_error = None
    backend.say("4711", "RUNNING")
    run()
    assert "probe_error" not in store.read(path).section("scheduler")


def test_artifacts_that_cannot_be_asked_for_are_not_on_their_way(
    root: Path, run: Run, backend: FakeBackend
) -> None:
    path = written(root, artifacts={"remote": "/elsewhere"})
    backend.say("4711", "COMPLETED")

    def list_tree(path: str, most: int) -> NoReturn:
        raise TransportError("connection lost")

    backend.list_tree = list_tree  # type: ignore[method-assign]
    [report] = run()
    assert report.status is ExitStatus.UNREACHABLE
    assert store.read(path).section("artifact_sync_to_local") == {"status": "pending"}


def test_a_ledger_line_that_is_missing_or_old_is_mended(
    root: Path, run: Run, backend: FakeBackend
) -> None:
    path, ledger = written(root), root / "docs/slurm_job_list.md"
    backend.say("4711", "PENDING")
    run()
    assert f"run_id={RUN_ID} | status=submitted" in ledger.read_text()
    ledger.write_text(ledger.read_text().replace("submitted", "pending"))
    run()
    assert f"run_id={RUN_ID} | status=submitted" in ledger.read_text()
    assert store.read(path).status == "submitted"


def test_a_conflicting_job_id_stops_that_run_and_no_other(
    root: Path, run: Run, backend: FakeBackend
) -> None:
    written(root)
    written(root, run_id="other", job_id="12")
    ledger = root / "docs/slurm_job_list.md"
    ledger.parent.mkdir()
    line = f"- 2026-02-18 | job_id=99 | iteration_id=iter1 | run_id={RUN_ID} | status=submitted\n"
    ledger.write_text(line)
    for job_id in ("4711", "12"):
        backend.say(job_id, "RUNNING")
    stopped, other = run()
    assert stopped.status is ExitStatus.ERROR
    assert "line 1 of the ledger has job_id=99, its manifest has job_id=4711" in stopped.text
    assert (stopped.manifest.status, other.manifest.status) == ("submitted", "running")
    assert backend.queries == [["12"]]
    assert line in ledger.read_text()


def test_a_job_that_never_starts_is_shown_with_its_reason(
    root: Path, run: Run, backend: FakeBackend
) -> None:
    written(root)
    backend.say("4711", "PENDING", reason="DependencyNeverSatisfied")
    [report] = run()
    assert "DependencyNeverSatisfied" in report.text
    assert report.command == f"slurm runs cancel {RUN_ID}"


@pytest.mark.parametrize(("state", "status"), [("CANCELLED", "failed"), ("RUNNING", "running")])
def test_a_job_that_never_started_is_asked_about_again(
    root: Path, run: Run, backend: FakeBackend, state: str, status: str
) -> None:
    """Somebody has cancelled it, or given it another dependency."""
    written(root)
    backend.say("4711", "PENDING", reason="DependencyNeverSatisfied")
    run()
    backend.say("4711", state)
    [report] = run()
    assert report.manifest.status == status


def test_an_array_is_one_run(root: Path, run: Run, backend: FakeBackend) -> None:
    written(root, resource_request={"array": "0-2"})
    backend.say("4711_0", "COMPLETED", ended_at=100.0)
    backend.say("4711_1", "RUNNING")
    backend.say("4711_2", "PENDING", reason="JobArrayTaskLimit")
    [report] = run(MONITORED)
    assert (report.manifest.status, report.manifest.section("scheduler")["state"]) == (
        "running",
        "RUNNING",
    )
    assert backend.queries == [["4711_0", "4711_1", "4711_2"]]
    backend.say("4711_1", "TIMEOUT", ended_at=1771434045.0)
    backend.say("4711_2", "COMPLETED", ended_at=1771434100.0)
    [report] = run(frozenset({Action.OBSERVE}))
    assert report.manifest.status == "failed"
    assert "1 of 3 did not complete: 4711_1 TIMEOUT" in report.text
    assert report.manifest.content["timestamps"]["completed_at"] == "2026-02-18T17:01:40Z"


def test_another_job_of_the_same_id_is_not_the_runs(
    root: Path, run: Run, backend: FakeBackend
) -> None:
    path = written(root, submission={"token": TOKEN, "job_dir": "/jobs/1", "outcome": "accepted"})
    backend.say("4711", "COMPLETED", origin="another|/elsewhere/job.sh|/elsewhere")
    [report] = run(frozenset({Action.OBSERVE}))
    assert report.manifest.status == "submitted"
    backend.say("4711", "COMPLETED", origin=f"{TOKEN}|/jobs/1/job.sh|/jobs/1")
    run(frozenset({Action.OBSERVE}))
    assert store.read(path).status == "running"


def test_a_manifest_that_cannot_be_read_hides_no_other(
    root: Path, run: Run, backend: FakeBackend
) -> None:
    written(root)
    broken = written(root, run_id="broken")
    broken.write_text("{")
    backend.say("4711", "RUNNING")
    [report] = run()
    assert report.manifest.status == "running"
    [error] = select(start=root).broken
    assert "it is no JSON" in str(error)


def test_a_script_that_is_gone_is_said(root: Path, run: Run, backend: FakeBackend) -> None:
    path = pending(root, "rejected")
    (path.parents[2] / "run_slurm.sbatch").unlink()
    [report] = run()
    assert report.status is ExitStatus.ERROR
    assert "run_slurm.sbatch: No such file or directory" in report.text
    assert backend.requests == []


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ([], 0),
        ([3, 0], 3),
        ([3, 5], 5),
        ([4, 5, 3], 4),
        ([6, 4], 6),
        ([7, 6], 7),
        ([1, 7], 1),
    ],
)
def test_the_most_urgent_run_decides(statuses: Sequence[int], status: int) -> None:
    made = [Report(Manifest({}), ExitStatus(one), "") for one in statuses]
    assert exit_status(made) == status


def test_the_request_names_the_run_once(root: Path, run: Run, backend: FakeBackend) -> None:
    pending(root, "not submitted")
    run(EVERY - {Action.OBSERVE})
    [request] = backend.requests
    assert isinstance(request, JobRequest)
    assert request.submit_options["job-name"] == "iter1"
    assert request.submit_options["chdir"] == str(root / "plan/iter1")
    assert b"export RUN_ID=20260218T160045Z\n" in request.files["job.sh"]


def test_a_pending_run_that_nobody_launched_is_for_a_person(
    root: Path, run: Run, backend: FakeBackend
) -> None:
    path = written(root, status="pending", job_id=None)
    [report] = run()
    assert (report.status, report.command) == (
        ExitStatus.UNKNOWN,
        f"slurm runs mark {RUN_ID} failed",
    )
    store.change(path, lambda m: m.with_keys(submission={"token": TOKEN, "outcome": "rejected"}))
    [report] = run()
    assert report.status is ExitStatus.ERROR
    assert "submission.job_dir is not there" in report.text
    assert backend.requests == []
