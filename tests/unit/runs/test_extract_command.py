"""``slurm runs extract``: what it writes and prints, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.clicked import Said, run
from tests.helpers.measured_tasks import diverge, half, train
from tests.helpers.run_manifests import RUN_ID, written

from slurm import Cluster
from slurm.cli.runs.extract import command
from slurm.cli.verify import command as verify
from slurm.runs import RunTracker, store
from slurm.runs.clusters import about

OK = {"status": "ok"}
SYNCED: dict[str, Any] = {"status": "synced", "artifact_sync_to_local": OK}
FAILED: dict[str, Any] = {
    "status": "failed",
    "scheduler": {"state": "TIMEOUT", "exit_code": "0:15"},
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ended(root: Path, outputs: str = '{"accuracy": 0.9}', **changes: Any) -> Path:
    path = written(root, **{**SYNCED, **changes})
    (path.parent / "outputs").mkdir()
    (path.parent / "outputs/metrics.json").write_text(outputs)
    return path


def extracted(*arguments: object) -> Said:
    return run(command, *arguments)


def test_a_run_that_is_extracted_is_completed_and_the_ledger_follows(project: Path) -> None:
    path = ended(project)
    said = extracted(RUN_ID)
    assert said == Said(0, f"run_id={RUN_ID} completed: accuracy=0.9\n", "")
    manifest = store.read(path)
    assert manifest.status == "completed"
    assert manifest.section("extraction")["status"] == "completed"
    assert manifest.content["history"][-1]["by"] == "slurm runs extract"
    ledger = (project / "docs/slurm_job_list.md").read_text()
    assert f"run_id={RUN_ID} | status=completed" in ledger


def test_the_same_again_changes_nothing(project: Path) -> None:
    path = ended(project)
    extracted()
    files = [path, path.with_name("metrics.json"), project / "docs/slurm_job_list.md"]
    before = [one.read_bytes() for one in files]
    assert extracted().status == 0
    assert [one.read_bytes() for one in files] == before


def test_missing_evidence_is_exit_status_5(project: Path) -> None:
    (project / "plan/iter1").mkdir(parents=True)
    (project / "plan/iter1/design.yaml").write_text("metrics: {loss: {file: a.json, key: loss}}")
    path = ended(project)
    said = extracted()
    assert said.status == 5
    assert said.out.splitlines() == [
        f"run_id={RUN_ID} partial: loss=null",
        f"  metrics.loss: outputs/a.json is not there; slurm runs sync {RUN_ID}",
    ]
    assert store.read(path).section("extraction")["status"] == "partial"


def test_a_failed_run_is_extracted_and_stays_failed(project: Path) -> None:
    path = written(project, **FAILED)
    said = extracted("--json")
    assert said.status == 4
    [one] = json.loads(said.out)["runs"]
    assert (one["status"], one["exit_status"]) == ("failed", 4)
    assert one["metrics"]["missing_evidence"][0] == {
        "what": "run",
        "why": "job 4711 is TIMEOUT (exit code 0:15)",
        "what_to_do": f"slurm runs show {RUN_ID}",
    }
    assert one["metrics"] == json.loads(path.with_name("metrics.json").read_text())
    assert store.read(path).status == "failed"


def test_a_run_in_progress_is_exit_status_3_and_nothing_is_written(project: Path) -> None:
    path = written(project, status="running")
    before = path.read_bytes()
    said = extracted()
    assert (said.status, said.out) == (3, "")
    assert said.line.startswith(f"run_id={RUN_ID}: run {RUN_ID} is running: it has not ended")
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == [path]


def test_of_several_runs_the_most_urgent_counts_and_an_error_holds_up_no_other(
    project: Path,
) -> None:
    broken = ended(project, run_id="r1")
    broken.with_name("metrics.json").mkdir()
    fine = written(project, "iter2", run_id="r2", **SYNCED)
    written(project, "iter3", run_id="r3", status="running")
    said = extracted()
    assert said.status == 1
    assert f"run_id=r1: {broken.with_name('metrics.json')}: it is a directory" in said.err
    assert store.read(fine).status == "completed"
    assert extracted("r2", "r3").status == 3


def test_a_manifest_that_cannot_be_read_is_named(project: Path) -> None:
    ended(project)
    bad = written(project, "iter2", run_id="r2")
    bad.write_text("{")
    said = extracted()
    assert said.status == 1
    assert said.line.startswith(f"{bad}: it is no JSON")
    assert "completed" in said.out


def test_where_there_is_no_run_it_says_so(project: Path) -> None:
    assert extracted() == Said(0, "there is no run here; slurm launch begins one\n", "")
    said = extracted("r9")
    assert (said.status, said.out) == (2, "")
    assert said.line.startswith("there is no run 'r9'")


def test_the_value_of_a_task_is_asked_of_its_cluster(project: Path, local: Cluster) -> None:
    job = train(0.5)
    assert job.wait(60)
    path = ended(
        project, job_id=job.id, sdk={"kind": "job"}, host_mode="slurm", cluster=about(local)
    )
    said = extracted("--backend", "local", "--job-base-dir", local.job_base_dir)
    assert said == Said(0, f"run_id={RUN_ID} completed: accuracy=0.9, loss=0.5\n", "")
    assert extracted() == Said(0, "there is nothing more to extract\n", "")  # asks no cluster
    elsewhere = written(
        project, "iter2", run_id="r2", **SYNCED, sdk={"kind": "job"}, cluster=about(local)
    )
    other = extracted("r2", "--backend", "local", "--job-base-dir", project / "other")
    assert other.status == 1
    assert "name its cluster with" in other.err
    assert store.read(elsewhere).status == "synced"
    assert path.with_name("metrics.json").exists()


def test_runs_that_a_tracker_kept_are_extracted(project: Path, local_base: Path) -> None:
    (project / "iter1").mkdir()
    place = ("--backend", "local", "--job-base-dir", local_base)
    with Cluster("local", job_base_dir=local_base, callbacks=[RunTracker("iter1")]) as cluster:
        train(0.5).wait(60)
        half.map([1, 0]).wait(60)
        diverge().wait(60)
        cluster.drain_callbacks()
    cluster.close()
    said = extracted("--json", *place)
    found = {one["run_id"]: one["metrics"] for one in json.loads(said.out)["runs"]}
    assert [one["metrics"] for one in found.values()] == [{"accuracy": 0.9, "loss": 0.5}, {}, {}]
    array, failed = list(found.values())[1:]
    assert array["missing_evidence"][-1]["why"] == "1 of 2 are FAILED"
    assert failed["status"] == "failed"
    assert said.status == 4
    assert all(verified("extract_results", run_id).status == 0 for run_id in found)


def verified(stage: str, run_id: str) -> Said:
    return run(verify, "--stage", stage, run_id)
