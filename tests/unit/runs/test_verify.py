"""Named checks of runs: each fails for what it is there for, in every stage that it belongs to, with what mends it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.run_manifests import RUN_ID, content, manifest, written

from slurm.config.findings import Finding, Verdict
from slurm.runs import check_files, store
from slurm.runs.extract import extract
from slurm.runs.ledger import upsert
from slurm.runs.ledger_lines import LedgerError
from slurm.runs.manifest import Manifest
from slurm.runs.moments import moment_of
from slurm.runs.policy import Policy, load_policy
from slurm.runs.verify import Stage, no_run, verdict_of, verify_run

NOW = moment_of("2026-02-18T16:30:00Z")
ENDED_AT = moment_of("2026-02-18T18:00:00Z")
LAUNCH, MONITOR, EXTRACT = Stage.LAUNCH, Stage.MONITOR, Stage.EXTRACT
SUBMITTED = {"token": "c0ffee", "outcome": "accepted"}
SEEN = {"state": "RUNNING", "observed_at": "2026-02-18T16:29:00Z"}
DONE = {"state": "COMPLETED", "ended": True, "observed_at": "2026-02-18T16:29:00Z"}
OK = {"status": "ok"}
HEALTHY: dict[Stage, dict[str, Any]] = {
    LAUNCH: {"submission": SUBMITTED},
    MONITOR: {"status": "running", "scheduler": SEEN, "submission": SUBMITTED},
    EXTRACT: {
        "status": "completed",
        "scheduler": DONE,
        "submission": SUBMITTED,
        "artifact_sync_to_local": OK,
        "extraction": {"status": "completed"},
    },
}
DESIGN = "artifacts: {required: [model.pt]}\nmetrics: {a: {file: eval.json, key: a}}\n"


class Project:
    """A healthy run in its project, to be broken."""

    def __init__(self, root: Path, stage: Stage, **changes: Any) -> None:
        (root / ".git").mkdir()
        self.root, self.stage = root, stage
        self.path = written(root, **{**HEALTHY[stage], **changes})
        self.path.parent.chmod(0o700)
        self.iteration, self.run = root / "plan/iter1", self.path.parent
        self.script, self.design = (
            self.iteration / "run_slurm.sbatch",
            self.iteration / "design.yaml",
        )
        self.metrics = self.run / "metrics.json"
        self.script.write_text("#!/bin/bash\nsrun train\n")
        self.design.write_text(DESIGN)
        (self.run / "outputs").mkdir()
        (self.run / "outputs/model.pt").write_text("")
        (self.run / "outputs/eval.json").write_text('{"a": 1}')
        self.ledger: str | LedgerError | None = upsert("", store.read(self.path))[0]
        if stage is EXTRACT and "extraction" in store.read(self.path).content:
            extract(store.read(self.path), at=ENDED_AT)
        self.policy: Policy = load_policy(root)

    def change(self, **changes: Any) -> None:
        store.change(self.path, lambda found: found.with_keys(**changes))

    def enter(self) -> None:
        self.ledger = upsert("", store.read(self.path))[0]

    def found(self, now: datetime.datetime = NOW) -> dict[str, Finding]:
        run = store.read(self.path)
        now = ENDED_AT if self.stage is EXTRACT and now == NOW else now
        findings = verify_run(
            run,
            self.stage,
            self.policy,
            files=check_files.look(run),
            text_of_ledger=self.ledger,
            now=now,
        )
        assert len({one.name for one in findings}) == len(findings)
        assert all("\n" not in str(one) for one in findings)
        assert all(one.fix for one in findings if one.verdict is Verdict.FAIL)
        return {one.name: one for one in findings}

    def problems(self, now: datetime.datetime = NOW) -> dict[str, str]:
        return {
            name: str(one)
            for name, one in self.found(now).items()
            if one.verdict is not Verdict.PASS
        }


@pytest.mark.parametrize("stage", list(Stage))
def test_a_healthy_run_passes_every_check_of_its_stage(tmp_path: Path, stage: Stage) -> None:
    project = Project(tmp_path, stage)
    assert project.problems() == {}
    common = {"manifest", "run-directory", "job-id", "submission", "ledger", "sync-status"}
    own = {
        LAUNCH: {"script"},
        MONITOR: {"scheduler", "way-on", "artifacts"},
        EXTRACT: {"artifacts", "metrics", "metrics-agree", "metrics-values", "metrics-evidence"},
    }
    assert set(project.found()) == {*common, "design", "timestamps", *own[stage]}


# What is wrong with a run's record is found in every stage

APPEND = "slurm slurm-job-list append --manifest "


@pytest.mark.parametrize("stage", list(Stage))
def test_the_ledger_is_looked_at_in_every_stage(tmp_path: Path, stage: Stage) -> None:
    project = Project(tmp_path, stage)
    line = project.ledger
    assert isinstance(line, str)
    for ledger, why, fix in (
        (None, "docs/slurm_job_list.md is not there", APPEND + str(project.path)),
        ("# ours\n", f"entry missing: no line has run_id={RUN_ID}", APPEND + str(project.path)),
        (line.replace(RUN_ID, RUN_ID + "-2"), "entry missing", APPEND),
        (line.replace("4711", "4712"), "line 1 has job_id=4712", "slurm slurm-job-list rebuild"),
        (LedgerError("ledger: it is a directory"), "it is a directory", "mend the file"),
    ):
        project.ledger = ledger
        [said] = project.problems().values()
        assert said.startswith("FAIL ledger: ")
        assert why in said
        assert fix in said


@pytest.mark.parametrize("stage", list(Stage))
def test_a_status_that_the_ledger_does_not_follow_is_found_after_the_launch(
    tmp_path: Path, stage: Stage
) -> None:
    project = Project(tmp_path, stage)
    assert isinstance(project.ledger, str)
    project.ledger = project.ledger.partition("status=")[0] + "status=synced\n"
    found = project.problems()
    assert set(found) == (set() if stage is LAUNCH else {"ledger"})


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize(
    ("text", "verdict", "why"),
    [
        ("metrics: 5", "FAIL", "line 1: metrics is 5, and must be a mapping"),
        (None, "WARN", "no artifact is required"),
    ],
)
def test_the_design_is_looked_at_in_every_stage(
    tmp_path: Path, stage: Stage, text: str | None, verdict: str, why: str
) -> None:
    project = Project(tmp_path, stage)
    project.design.unlink()
    if text:
        project.design.write_text(text)
    said = project.problems()["design"]
    assert said.startswith(f"{verdict} design: ")
    assert why in said


@pytest.mark.parametrize("stage", list(Stage))
def test_the_directory_is_looked_at_in_every_stage(tmp_path: Path, stage: Stage) -> None:
    project = Project(tmp_path, stage)
    project.run.chmod(0o777)
    assert project.problems()["run-directory"] == (
        f"WARN run-directory: everybody may write there; fix: chmod o-w {project.run}"
    )
    project.run.chmod(0o700)
    project.path = project.run.rename(project.run.with_name("other")) / "run_manifest.json"
    said = project.problems()["run-directory"]
    assert said.startswith(f"FAIL run-directory: other holds the manifest of {RUN_ID}")


@pytest.mark.parametrize("stage", list(Stage))
def test_clocks_may_differ_by_five_minutes(tmp_path: Path, stage: Stage) -> None:
    project = Project(tmp_path, stage)
    started = moment_of("2026-02-18T16:00:45Z")
    minutes = datetime.timedelta(minutes=1)
    assert "timestamps" not in project.problems(now=started - 4 * minutes) or stage is EXTRACT
    said = project.problems(now=started - 6 * minutes)["timestamps"]
    assert said == (
        "WARN timestamps: started_at is 360 s in the future; fix: set the clocks of the machines"
    )


@pytest.mark.parametrize("stage", list(Stage))
def test_a_submission_that_nobody_knows_the_outcome_of_is_found_in_every_stage(
    tmp_path: Path, stage: Stage
) -> None:
    project = Project(tmp_path, stage)
    lost = {"token": "c0ffee", "outcome": "unknown", "error": "time-out"}
    project.change(submission=lost)  # a person has written the job's id into the manifest
    assert list(project.problems()) == ["submission"]
    assert project.problems()["submission"].startswith(
        "WARN submission: outcome is unknown (time-out), "
    )
    waits = content(status="pending", submission=lost, job_id=None)
    project.path.write_text(json.dumps(waits))
    said = project.problems()["submission"]
    assert said == "FAIL submission: whether it became a job is unknown (time-out); fix: slurm run"


@pytest.mark.parametrize("stage", list(Stage))
def test_what_is_no_manifest_is_all_that_is_said(tmp_path: Path, stage: Stage) -> None:
    project = Project(tmp_path, stage)
    broken = Manifest({**content(), "timestamps": {}}, str(project.path))
    files = check_files.look(manifest(str(project.path)))
    [said] = verify_run(
        broken, stage, project.policy, files=files, text_of_ledger=project.ledger, now=NOW
    )
    assert str(said) == (
        f"FAIL manifest: {project.path}: timestamps must contain ['started_at'] properties; "
        "fix: mend it in an editor"
    )


def test_where_there_is_no_run_nothing_passes() -> None:
    for stage in Stage:
        assert no_run(stage).verdict is Verdict.FAIL


# Launch


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (None, "run_slurm.sbatch: it is not there"),
        ("srun train\n", "the first line of run_slurm.sbatch names no interpreter"),
        ("#!\n", "the first line of run_slurm.sbatch names no interpreter"),
        ("#!/bin/bash\r\nsrun train\r\n", "the lines of run_slurm.sbatch end as on Windows"),
    ],
)
def test_a_script_that_sbatch_would_not_take_fails(
    tmp_path: Path, script: str | None, why: str
) -> None:
    project = Project(tmp_path, LAUNCH)
    project.script.unlink()
    if script:
        project.script.write_bytes(script.encode())
    [said] = project.problems().values()
    assert said.startswith("FAIL script: ")
    assert why in said


def test_a_run_without_a_job_fails_its_launch(tmp_path: Path) -> None:
    project = Project(
        tmp_path,
        LAUNCH,
        status="pending",
        job_id="",
        submission={"token": "c0ffee", "outcome": "rejected", "error": "invalid partition"},
    )
    project.ledger = None
    assert project.problems() == {
        "job-id": "FAIL job-id: the manifest has no job_id; fix: slurm run",
        "submission": "FAIL submission: rejected: invalid partition; fix: mend what it says, then slurm run",
    }


def test_a_process_of_this_machine_needs_no_job_id_and_no_ledger(tmp_path: Path) -> None:
    project = Project(tmp_path, LAUNCH, host_mode="local", job_id=None)
    project.script.rename(project.script.with_name("run_local.sh"))
    project.ledger = None
    assert project.problems() == {}


def test_a_run_of_the_sdk_needs_no_script_and_no_design(tmp_path: Path) -> None:
    project = Project(tmp_path, LAUNCH, sdk={"kind": "job", "task": "train"})
    project.script.unlink()
    project.design.unlink()
    assert project.problems() == {}


# Monitor


@pytest.mark.parametrize(
    ("scheduler", "why"),
    [
        ({}, "it was never asked"),
        ({**SEEN, "observed_at": "2026-02-18T15:00:00Z"}, "it said RUNNING 90 minutes ago"),
        ({**SEEN, "probe_error": "no route\nto host"}, "it could not be asked: no route to host"),
    ],
)
def test_a_scheduler_that_was_not_asked_for_an_hour_is_a_warning(
    tmp_path: Path, scheduler: dict[str, Any], why: str
) -> None:
    project = Project(tmp_path, MONITOR, scheduler=scheduler)
    assert project.problems() == {
        "scheduler": f"WARN scheduler: {why}; fix: slurm runs monitor {RUN_ID}"
    }


def test_a_job_that_never_starts_fails_with_the_reason(tmp_path: Path) -> None:
    waits = {**SEEN, "state": "PENDING", "reason": "DependencyNeverSatisfied"}
    project = Project(tmp_path, MONITOR, status="submitted", scheduler=waits)
    assert project.problems() == {
        "way-on": "FAIL way-on: job 4711 never starts: DependencyNeverSatisfied; "
        f"fix: slurm runs cancel {RUN_ID}"
    }


@pytest.mark.parametrize("stage", [MONITOR, EXTRACT])
def test_a_sync_that_says_ok_has_the_required_artifacts_here(tmp_path: Path, stage: Stage) -> None:
    project = Project(tmp_path, stage, artifact_sync_to_local=OK)
    (project.run / "outputs/model.pt").unlink()
    assert project.problems() == {
        "artifacts": "FAIL artifacts: the sync is ok, and these are not here: model.pt; "
        f"fix: slurm runs sync {RUN_ID}"
    }


def test_a_sync_that_failed_fails_with_what_is_missing(tmp_path: Path) -> None:
    sync = {"status": "failed", "missing": ["model.pt"], "error": "no space left"}
    project = Project(tmp_path, MONITOR, scheduler=DONE, artifact_sync_to_local=sync)
    assert project.problems() == {
        "sync-status": "FAIL sync-status: artifact_sync_to_local.status is failed: model.pt, no space left; "
        f"fix: slurm runs sync {RUN_ID}"
    }


def test_a_run_that_is_not_submitted_has_nothing_to_be_monitored(tmp_path: Path) -> None:
    waits = {"token": "c0ffee", "outcome": "not submitted"}
    project = Project(
        tmp_path, MONITOR, status="pending", job_id="", submission=waits, scheduler={}
    )
    assert {"job-id", "submission", "scheduler"} == set(project.problems())


# Extraction


@pytest.mark.parametrize("status", ["submitted", "running"])
def test_a_run_in_progress_has_nothing_extracted_and_it_is_said(
    tmp_path: Path, status: str
) -> None:
    project = Project(tmp_path, MONITOR, status=status)
    project.stage = EXTRACT
    assert project.problems() == {
        "metrics": f"WARN metrics: the run is {status}: nothing is extracted before it has ended; "
        f"fix: slurm runs monitor {RUN_ID}"
    }


def without(name: str) -> Any:
    return lambda said: {key: value for key, value in said.items() if key != name}


BREAKAGES: dict[str, tuple[Any, str]] = {
    "no run id": (without("run_id"), "FAIL metrics: metrics.json: it must contain "),
    "another run": (lambda said: {**said, "run_id": "r2"}, "FAIL metrics-agree: run_id is r2 in "),
    "another status": (
        lambda said: {**said, "status": "partial"},
        "FAIL metrics-agree: status is partial in metrics.json and completed in the manifest",
    ),
    "null": (
        lambda said: {**said, "metrics": {"a": None}},
        "FAIL metrics-evidence: a is null, and nothing says why",
    ),
    "a list": (
        lambda said: {**said, "metrics": {"a": [1]}},
        "FAIL metrics: metrics.json: metrics.a",
    ),
    "no number": (
        lambda said: {**said, "metrics": {"a": float("nan")}},
        "FAIL metrics: metrics.json: it is no JSON: NaN is no number of JSON",
    ),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_metrics_that_are_none_or_disagree_fail(tmp_path: Path, name: str) -> None:
    project = Project(tmp_path, EXTRACT)
    broken, why = BREAKAGES[name]
    project.metrics.write_text(json.dumps(broken(json.loads(project.metrics.read_text()))))
    said = list(project.problems().values())
    assert [one for one in said if one.startswith(why)], said
    assert all(one.endswith(f"; fix: slurm runs extract {RUN_ID}") for one in said)


def test_metrics_that_the_manifest_does_not_know_of_are_a_warning(tmp_path: Path) -> None:
    project = Project(tmp_path, EXTRACT)
    project.change(extraction={})
    assert project.problems() == {
        "metrics-agree": "WARN metrics-agree: the manifest does not know of them; "
        f"fix: slurm runs extract {RUN_ID}"
    }


def test_metrics_of_a_failed_run_are_not_completed(tmp_path: Path) -> None:
    project = Project(tmp_path, EXTRACT)
    project.change(status="failed")
    project.enter()
    assert project.problems() == {
        "metrics-agree": "FAIL metrics-agree: they are completed, and the run failed; "
        f"fix: slurm runs extract {RUN_ID}"
    }


def test_metrics_that_are_partial_say_why(tmp_path: Path) -> None:
    project = Project(tmp_path, EXTRACT)
    project.change(extraction={"status": "partial"})
    said = json.loads(project.metrics.read_text())
    project.metrics.write_text(json.dumps({**said, "status": "partial"}))
    assert project.problems() == {
        "metrics-evidence": "FAIL metrics-evidence: they are partial, and nothing says why; "
        f"fix: slurm runs extract {RUN_ID}"
    }


@pytest.mark.parametrize("text", [None, "", "[]", "\xff"])
def test_metrics_that_cannot_be_read_fail(tmp_path: Path, text: str | None) -> None:
    project = Project(tmp_path, EXTRACT)
    project.metrics.unlink()
    if text is not None:
        project.metrics.write_bytes(text.encode("latin-1"))
    [said] = project.problems().values()
    assert said.startswith("FAIL metrics: metrics.json: it is ")


def test_a_number_of_artifacts_that_never_arrived_fails(tmp_path: Path) -> None:
    project = Project(tmp_path, EXTRACT)
    project.change(artifact_sync_to_local={"status": "failed", "error": "gone"})
    found = project.problems()
    assert set(found) == {"sync-status", "metrics-values"}
    assert found["metrics-values"].startswith(
        "FAIL metrics-values: a has a value, and the artifacts"
    )


def test_a_failed_run_that_is_extracted_passes_with_its_evidence(tmp_path: Path) -> None:
    state = {"state": "FAILED", "exit_code": "1:0", "ended": True}
    pending = {"status": "pending"}
    project = Project(
        tmp_path,
        EXTRACT,
        status="failed",
        scheduler=state,
        artifact_sync_to_local=pending,
        extraction={"status": "failed"},
    )
    assert project.problems() == {
        "metrics-evidence": "WARN metrics-evidence: 3 missing, as run: job 4711 is FAILED (exit code 1:0); "
        f"fix: slurm runs show {RUN_ID}"
    }


def test_the_worst_of_them_is_the_verdict() -> None:
    found = [Finding("a", Verdict.PASS, ""), Finding("b", Verdict.WARN, "")]
    assert [verdict_of(found[:1]), verdict_of(found), verdict_of([*found, no_run(LAUNCH)])] == [
        *(Verdict.PASS, Verdict.WARN, Verdict.FAIL)
    ]
    assert verdict_of([]) is Verdict.PASS


NOWHERE = check_files.look(manifest("/nowhere/iter1/runs/r1/run_manifest.json"))
texts = st.text(max_size=8)
sections = st.fixed_dictionaries(
    {
        "status": st.sampled_from(
            ["pending", "submitted", "running", "synced", "completed", "failed"]
        ),
        "host_mode": st.sampled_from(["slurm", "local"]),
        "job_id": st.sampled_from(["4711", 4711, None]),
        "artifact_sync_to_local": st.fixed_dictionaries(
            {"status": st.sampled_from(["pending", "syncing", "ok", "failed", "passed"])},
            optional={"missing": st.lists(texts, max_size=2), "error": texts},
        ),
        "submission": st.fixed_dictionaries(
            {},
            optional={
                "outcome": st.sampled_from(["unknown", "accepted", "rejected"]),
                "error": texts,
            },
        ),
        "scheduler": st.fixed_dictionaries(
            {},
            optional={
                "state": texts,
                "reason": texts,
                "probe_error": texts,
                "ended": st.booleans(),
            },
        ),
    }
)


@given(changes=sections, stage=st.sampled_from(Stage), ledger=st.none() | texts)
def test_whatever_a_manifest_says_each_finding_is_a_line_and_each_failure_has_its_fix(
    changes: dict[str, Any], stage: Stage, ledger: str | None
) -> None:
    run = Manifest(content(**changes), "/nowhere/iter1/runs/r1/run_manifest.json")
    policy = load_policy(Path("/"))
    found = verify_run(run, stage, policy, files=NOWHERE, text_of_ledger=ledger, now=NOW)
    assert found
    assert all(str(one).isprintable() for one in found)
    assert all(one.fix for one in found if one.verdict is Verdict.FAIL)
    assert verdict_of(found) is Verdict.FAIL  # for its directory is nowhere
