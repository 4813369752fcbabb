"""The life of a run as its user types it: launch, monitor, run, show, cancel, mark, adopt, next, list."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.helpers.run_manifests import written
from tests.helpers.run_project import SCRIPT, RunProject

from slurm.runs import store
from slurm.runs.clusters import Clusters
from slurm.testing.fake_slurm import FakeSlurm

pytestmark = pytest.mark.local

DESIGN = """\
compute: {location: slurm}
artifacts: {required: [metrics.json]}
metrics:
  accuracy: {file: metrics.json, key: accuracy}
"""
WAITS = "#!/bin/bash\n#SBATCH --time=5\nwhile [ ! -e ../../gate ]; do sleep 0.02; done\n"


def metrics(project: RunProject) -> dict[str, object]:
    found: dict[str, object] = json.loads((project.folder / "metrics.json").read_text())
    return found


def test_a_run_is_taken_to_its_end(project: RunProject) -> None:
    project.design(DESIGN)
    manifest = project.launched()
    project.job_ended()
    said = project.run("run", status=0)
    assert f"run_id={manifest.run_id} job_id=1 status=completed" in said.out
    assert metrics(project)["metrics"] == {"accuracy": 0.9}
    done = project.manifest
    assert [line["to"] for line in done.content["history"]] == [
        "submitted",
        "running",
        "synced",
        "completed",
    ]
    assert done.completed_at is not None
    assert done.started_at <= done.completed_at
    assert "status=completed" in project.ledger
    assert (
        project.run("run", status=0).out == "no run here needs anything; slurm launch begins one\n"
    )
    assert project.run("run", manifest.run_id, status=0).out == said.out


def test_monitor_stays_while_the_job_runs_and_leaves_the_metrics_to_extraction(
    project: RunProject,
) -> None:
    project.design(DESIGN)
    project.script(WAITS + SCRIPT.partition("\n")[2])
    project.launched()
    said = project.run("runs", "monitor", status=3)
    assert "job is" in said.out
    assert project.manifest.status in ("submitted", "running")
    project.write("gate", "")
    project.job_ended()
    project.run("runs", "monitor", status=0)
    assert project.manifest.status == "synced"
    assert not (project.folder / "metrics.json").exists()
    project.run("runs", "extract", status=0)
    assert project.manifest.status == "completed"


@pytest.mark.parametrize(("smoke", "status"), [("true", 1), ("false", 3)])
def test_the_runs_health_is_looked_at_by_the_monitor_where_the_policy_asks(
    project: RunProject, smoke: str, status: int
) -> None:
    project.write(".slurm/policy.yaml", f"requirements_by_stage.slurm_monitor.env_smoke: {smoke}\n")
    project.script(WAITS)
    manifest = project.launched()
    project.design("no design: {\n")
    said = project.run("runs", "monitor", status=status)
    assert said.out.startswith(f"run_id={manifest.run_id} job_id=1 ")
    assert (f"FAIL {manifest.run_id} design: " in said.err) is (status == 1)
    project.write("gate", "")


def test_a_failed_run_has_its_logs_and_metrics_that_say_so(project: RunProject) -> None:
    project.design(DESIGN)
    project.script("#!/bin/bash\necho about to fail\nexit 3\n")
    project.launched()
    project.job_ended()
    said = project.run("run", status=4)
    assert "status=failed: job 1 is FAILED" in said.out
    assert "exit code 3:0" in said.out
    assert project.manifest.status == "failed"
    assert project.manifest.completed_at is not None
    [log] = project.manifest.section("logs")["files"]
    assert "about to fail" in (project.folder / log).read_text()
    found = metrics(project)
    assert (found["status"], found["metrics"]) == ("failed", {"accuracy": None})
    assert found["missing_evidence"]


def test_missing_artifacts_keep_a_run_until_they_are_here(project: RunProject) -> None:
    project.design(DESIGN)
    project.script("#!/bin/bash\ntrue\n")
    project.launched()
    project.job_ended()
    said = project.run("run", status=5)
    assert "artifacts are missing: metrics.json" in said.out
    manifest = project.manifest
    assert (manifest.status, str(manifest.sync)) == ("running", "failed")
    assert manifest.section("artifact_sync_to_local")["missing"] == ["metrics.json"]
    (project.folder / "outputs/metrics.json").write_text('{"accuracy": 0.5}')
    project.run("run", status=0)
    assert metrics(project)["metrics"] == {"accuracy": 0.5}


def test_a_person_may_write_that_the_artifacts_are_here(project: RunProject) -> None:
    """With an editor, as the cookbook says; what did not arrive is no number for that."""
    project.design(DESIGN)
    project.script("#!/bin/bash\ntrue\n")
    project.launched()
    project.job_ended()
    project.run("run", status=5)
    path = Path(project.manifest.path)
    content = json.loads(path.read_text())
    content["artifact_sync_to_local"]["status"] = "ok"
    path.with_name("edited").write_text(json.dumps(content))
    path.with_name("edited").rename(path)
    project.run("run", status=5)
    assert project.manifest.status == "completed"
    found = metrics(project)
    assert (found["status"], found["metrics"]) == ("partial", {"accuracy": None})


def test_a_person_may_write_that_a_run_has_failed(project: RunProject) -> None:
    """With an editor, as the cookbook says, and without a time."""
    project.script(WAITS)
    project.launched()
    path = Path(project.manifest.path)
    path.write_text(path.read_text().replace('"status": "submitted"', '"status": "failed"'))
    project.run("run", status=4)
    manifest = project.manifest
    assert manifest.status == "failed"
    assert manifest.completed_at is not None
    assert "status=failed" in project.ledger
    assert metrics(project)["status"] == "failed"
    project.write("gate", "")


def test_cancelled_jobs_are_failed_runs(project: RunProject) -> None:
    project.script(WAITS)
    first, second = project.launched(), project.launched()
    said = project.run("runs", "cancel", first.run_id, second.run_id)
    assert said.status in (3, 4), said  # one may still be ending
    project.job_ended(first)
    project.job_ended(second)
    project.run("run", status=4)
    assert [(one.status, one.section("scheduler")["state"]) for one in project.manifests()] == [
        ("failed", "CANCELLED"),
        ("failed", "CANCELLED"),
    ]


def test_what_was_never_submitted_is_given_up_by_cancel(project: RunProject) -> None:
    project.script("#!/bin/bash\n#SBATCH --mem=900000G\n")
    project.run("launch", status=1)
    said = project.run("runs", "cancel", project.manifest.run_id, status=4)
    assert "it was cancelled before it was submitted" in said.out
    assert project.manifest.status == "failed"
    project.script(SCRIPT)
    assert project.launched().job_id == "1"  # another run


def test_mark_says_what_nobody_else_can(project: RunProject) -> None:
    manifest = project.launched()
    project.run("runs", "mark", manifest.run_id, "failed", "--why", "the node burnt down", status=0)
    assert project.manifest.status == "failed"
    assert project.manifest.content["history"][-1]["why"] == "the node burnt down"
    assert "status=failed" in project.ledger
    refused = project.run("runs", "mark", manifest.run_id, "completed", status=1)
    assert "a run that is failed stays so" in refused.line
    refused = project.run("runs", "mark", manifest.run_id, "done", status=2)
    assert "failed" in refused.err


def test_a_run_id_is_never_a_part_of_a_longer_one(project: RunProject) -> None:
    manifest = project.launched()
    refused = project.run("runs", "show", manifest.run_id[:-1], status=2)
    assert f"did you mean '{manifest.run_id}'" in refused.line
    other = project.launched()
    assert other.run_id != manifest.run_id
    shown = project.json("runs", "show", manifest.run_id, status=0)
    assert shown["run_id"] == manifest.run_id
    by_path = project.json("runs", "show", f"runs/{other.run_id}", status=0)
    assert by_path["run_id"] == other.run_id


def test_show_tells_all(project: RunProject) -> None:
    project.design(DESIGN)
    manifest = project.launched()
    project.job_ended()
    project.run("run", status=0)
    said = project.run("runs", "show", manifest.run_id, status=0).out
    for words in (
        "status:      completed",
        "job:         1 COMPLETED exit code 0:0",
        "asked for:   --time=5",
        "artifacts:   ok",
        "metric:      accuracy = 0.9",
        "pending -> submitted (slurm launch: it is job 1)",
        "cluster:     local ",
    ):
        assert words in said


def test_list_and_next_are_of_the_iteration_or_of_the_project(
    project: RunProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = project.launched()
    other = project.root / "plan/iter2"
    other.mkdir()
    project.write("plan/iter2/run_slurm.sbatch", "#!/bin/bash\nexit 1\n")
    project.write("plan/iter2/design.yaml", "compute: {location: slurm}\n")
    second = project.launched("--iteration", other)
    header, row = project.run("runs", "list", status=0).out.splitlines()
    assert header.split()[:4] == ["RUN_ID", "ITERATION", "JOB_ID", "STATUS"]
    assert row.split()[:4] == [first.run_id, "iter1", "1", "submitted"]
    monkeypatch.chdir(project.root)
    assert len(project.json("runs", "list", status=0)["runs"]) == 2
    project.job_ended(first)
    project.job_ended(second)
    steps = project.json("runs", "next", status=0)
    assert {one["action"] for one in steps["runs"]} == {"observe"}
    project.run("run", status=4)
    failed = project.json("runs", "list", "--status", "failed", status=0)["runs"]
    assert [one["run_id"] for one in failed] == [second.run_id]
    project.write(".slurm/policy.yaml", "preset: slurm\n")
    assert project.json("runs", "next", status=0) == {"runs": [], "stage": "hypothesis"}
    assert "next stage: hypothesis" in project.run("runs", "next", status=0).out


def by_hand(project: RunProject) -> str:
    """The id of a job that somebody has submitted without the SDK."""
    with Clusters(start=project.root) as clusters:
        scheduler = clusters.for_mode("slurm").backend.scheduler  # type: ignore[attr-defined]
        job_id: str = scheduler.submit(
            script=str(project.iteration / "run_slurm.sbatch"),
            cwd=str(project.iteration),
            options={"output": "/dev/null"},
            submit_options={},
            token="by hand",
            orchestrator=False,
        )
        return job_id


def test_a_job_that_was_submitted_by_hand_is_adopted(project: RunProject) -> None:
    assert by_hand(project) == "1"
    assert project.run("runs", "adopt", "1").status in (0, 4)
    manifest = project.manifest
    assert manifest.job_id == "1"
    assert f"job_id=1 | iteration_id=iter1 | run_id={manifest.run_id}" in project.ledger
    refused = project.run("runs", "adopt", "1", status=1)
    assert f"job 1 is run {manifest.run_id}'s already" in refused.line
    assert "knows no job 99" in project.run("runs", "adopt", "99", status=2).line
    assert "no job id" in project.run("runs", "adopt", "x; rm", status=2).line


def test_a_run_of_unknown_outcome_is_given_its_job(project: RunProject) -> None:
    """Also where that was submitted by hand; a job of that id on another cluster is another one."""
    project.script("#!/bin/bash\n#SBATCH --mem=900000G\n")
    project.run("launch", status=1)
    run_id = project.manifest.run_id
    job_id = by_hand(project)
    elsewhere = {"backend": "ssh", "place": ["hpc", None, None, None]}
    written(project.root, "iter2", run_id="other", job_id=job_id, cluster=elsewhere)
    project.run("runs", "adopt", job_id, "--run", run_id)
    [adopted] = [one for one in project.manifests() if one.run_id == run_id]
    project.job_ended(adopted)
    project.run("run", run_id, status=0)
    [adopted] = [one for one in project.manifests() if one.run_id == run_id]
    assert (adopted.status, adopted.section("scheduler")["state"]) == ("completed", "COMPLETED")


def test_a_run_of_another_cluster_is_left_alone(project: RunProject, tmp_path: Path) -> None:
    project.launched()
    elsewhere = tmp_path / "elsewhere"
    said = project.run("run", "--job-base-dir", elsewhere, status=1)
    assert "what is named is local" in said.out
    assert project.manifest.status == "submitted"


def test_a_local_run_is_found_without_a_slurmfile(project: RunProject) -> None:
    """Its scheduler is this user's own; one that others may write into is not asked."""
    manifest = project.launched()
    project.job_ended()
    (project.root / "Slurmfile.toml").unlink()
    state = project.base / ".local"
    state.chmod(0o777)
    assert "no Slurmfile.toml that names the cluster" in project.run("run", status=1).out
    state.chmod(0o700)
    project.run("run", manifest.run_id, status=0)


def test_watching_ends_when_all_have_ended(project: RunProject) -> None:
    project.design(DESIGN)
    project.launched()
    said = project.run("runs", "monitor", "--watch", "--interval", "1", status=0)
    assert "every 1 s" in said.out
    assert project.manifest.status == "synced"
    lines = project.run("runs", "list", "--watch", "--json", status=0).out.splitlines()
    assert json.loads(lines[-1])[0]["status"] == "synced"


@pytest.mark.parametrize("command", [("run",), ("runs", "monitor")])
def test_the_ledger_follows_a_run_that_needs_nothing_else(
    project: RunProject, command: tuple[str, ...]
) -> None:
    """Whoever took it to its end died before the ledger was written."""
    project.launched()
    project.job_ended()
    project.run("run", status=0)
    ledger = project.root / "docs/slurm_job_list.md"
    right = ledger.read_text()
    ledger.write_text(right.replace("status=completed", "status=running"))
    project.run(*command, status=0)
    assert ledger.read_text() == right
    ledger.write_text(right.replace("job_id=1", "job_id=2"))
    assert "line 3 of the ledger has job_id=2" in project.run(*command, status=1).out


def test_a_ledger_that_cannot_be_written_stops_a_launch_and_nothing_else(
    project: RunProject,
) -> None:
    manifest = project.launched()
    project.job_ended()
    ledger = project.root / "docs/slurm_job_list.md"
    ledger.chmod(0o400)
    refused = project.run("launch", status=1)
    assert "it is read-only" in refused.out
    assert [one.status for one in project.manifests()] == ["submitted", "pending"]
    said = project.run("run", manifest.run_id, status=1)
    assert "it is read-only" in said.out
    assert store.read(Path(manifest.path)).status == "completed"
    ledger.chmod(0o600)
    project.run("run")
    project.run("slurm-job-list", "rebuild", status=0)
    assert f"run_id={manifest.run_id} | status=completed" in project.ledger
    assert [one.job_id for one in project.manifests()] == ["1", "2"]


def test_outputs_are_private(project: RunProject) -> None:
    project.launched()
    for folder in (project.folder, project.folder / "outputs"):
        assert os.stat(folder).st_mode & 0o077 == 0


@pytest.mark.parametrize("command", [("run",), ("runs", "monitor")])
def test_a_dead_controller_is_exit_status_6_and_changes_no_status(
    project: RunProject, fake_slurm: FakeSlurm, command: tuple[str, ...]
) -> None:
    for name in ("squeue", "sacct"):
        fake_slurm.fail(name, f"{name}: error: Unable to contact slurm controller")
    project.write("Slurmfile.toml", '[default.cluster]\nbackend = "slurm"\n')
    written(project.root, status="running")
    said = project.run(*command, status=6)
    assert "Unable to contact slurm controller" in said.out
    assert project.manifest.status == "running"
    assert "Unable to contact" in project.manifest.section("scheduler")["probe_error"]


@pytest.mark.parametrize(
    "command",
    [("launch",), ("run",), ("runs", "monitor"), ("runs", "list"), ("verify", "--stage", "launch")],
)
@pytest.mark.parametrize("policy", ["legder: a.md\n", "ledger: a.md: b.md\n"])
def test_a_bad_policy_file_stops_every_command_before_anything_is_done(
    project: RunProject, command: tuple[str, ...], policy: str
) -> None:
    path = written(project.root)
    project.write(".slurm/policy.yaml", policy)
    before = path.read_bytes()
    said = project.run(*command, status=2)
    assert ".slurm/policy.yaml, line 1: " in said.line
    assert path.read_bytes() == before
    assert len(project.manifests()) == 1


def test_artifacts_of_a_failed_run_that_come_later_are_extracted(
    project: RunProject, tmp_path: Path
) -> None:
    project.design(DESIGN)
    project.script("#!/bin/bash\nexit 9\n")
    manifest = project.launched()
    project.job_ended()
    project.run("run", status=4)
    [evidence] = [one for one in evidence_of(project) if one["what"] == "metrics.accuracy"]
    assert evidence["what_to_do"].startswith(f"slurm runs sync {manifest.run_id}, then slurm run")
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "metrics.json").write_text('{"accuracy": 0.25}')
    project.run("runs", "sync", manifest.run_id, "--from", saved)
    [step] = project.json("runs", "next", status=0)["runs"]
    assert step["action"] == "extract"
    project.run("run", status=4)
    assert metrics(project)["metrics"] == {"accuracy": 0.25}
    assert project.json("runs", "next", status=0)["runs"] == []


def evidence_of(project: RunProject) -> list[dict[str, str]]:
    found: list[dict[str, str]] = metrics(project)["missing_evidence"]  # type: ignore[assignment]
    return found


def test_what_cannot_be_entered_in_the_ledger_is_not_submitted(project: RunProject) -> None:
    """By launch, and by run: its line would be missing for good."""
    project.launched()
    ledger = project.root / "docs/slurm_job_list.md"
    ledger.chmod(0o400)
    assert "mend that, then: slurm run" in project.run("launch", status=1).out
    [_, second] = project.manifests()
    said = project.run("run", second.run_id, status=1)
    assert "it is not submitted, for its line cannot be written" in said.out
    assert [one.job_id for one in project.manifests()] == ["1", ""]
    ledger.chmod(0o600)
    project.run("run", second.run_id)
    assert [one.job_id for one in project.manifests()] == ["1", "2"]


@pytest.mark.parametrize("command", [("launch",), ("runs", "adopt", "4711")])
def test_a_cluster_that_cannot_be_reached_is_a_status_of_its_own(
    project: RunProject, command: tuple[str, ...]
) -> None:
    away = ("--backend", "ssh", "--hostname", "127.0.0.1", "--port", "1")
    said = project.run(*command, *away, status=6)
    assert "127.0.0.1" in said.line
    assert project.manifests() == []


def test_a_named_run_that_cannot_be_read_is_a_finding(project: RunProject) -> None:
    manifest = project.launched()
    Path(manifest.path).write_text("{")
    said = project.run("verify", "--stage", "launch", manifest.run_id, status=1)
    assert said.out.startswith("FAIL manifest: ")
    assert "fix: mend it in an editor" in said.out
