"""``slurm runs sync``: what it brings and prints, and its exit status; on the real local backend."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.clicked import Said, run
from tests.helpers.fakes import Programs
from tests.helpers.run_manifests import RUN_ID, written
from tests.helpers.run_project import RunProject
from tests.helpers.runs_home import Run

from slurm.cli.runs.sync import command
from slurm.runs import store
from slurm.runs.arrival import alone

HERE = f"run_id={RUN_ID} job_id=4711"


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose job has completed, with a metric on the cluster."""
    one = Run(tmp_path, "artifacts: {required: [metrics.json]}\n")
    one.put("metrics.json", '{"accuracy": 0.9}')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(one.root / "project")
    return one


def sync(*arguments: object) -> Said:
    return run(command, *arguments, "--backend", "local")


def ledger(one: Run) -> str:
    return (one.root / "project/docs/slurm_job_list.md").read_text()


def test_a_completed_job_is_synced_and_the_ledger_follows(one: Run) -> None:
    said = sync()
    line = f"{HERE} status=synced: 1 file (17 bytes) here, 17 bytes came now\n"
    assert said == Said(0, line, "")
    assert (one.home / "metrics.json").read_text() == '{"accuracy": 0.9}'
    assert one.manifest.content["history"][-1]["by"] == "slurm runs sync"
    assert f"run_id={RUN_ID} | status=synced" in ledger(one)


def test_a_run_that_is_synced_is_brought_again_only_if_it_is_named(one: Run) -> None:
    sync()
    assert sync() == Said(0, "no run waits for its artifacts; name one to bring them again\n", "")
    one.put("more")
    said = sync(RUN_ID)
    assert (said.status, "2 files (18 bytes) here, 1 bytes came now" in said.out) == (0, True)
    shutil.rmtree(one.there)
    said = sync(RUN_ID)
    assert (said.status, "artifacts' directory is not there" in said.out) == (5, True)
    assert (one.manifest.status, one.manifest.sync) == ("synced", "ok")


def test_what_is_missing_is_named_and_the_run_stays(one: Run) -> None:
    one.design("artifacts: {required: [metrics.json, 'model/*.pt'], exclude: ['*.tmp']}\n")
    said = sync(RUN_ID)
    assert said.status == 5
    assert said.out.startswith(f"{HERE} status=running: missing: model/*.pt; 1 file")
    assert f"; slurm runs sync {RUN_ID} --from DIR" in said.out
    about = one.manifest.section("artifact_sync_to_local")
    assert (about["status"], about["missing"]) == ("failed", ["model/*.pt"])
    one.put("model/best.pt")
    assert sync(RUN_ID).status == 0


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"scheduler": {"state": "RUNNING"}}, 3, "job is RUNNING"),
        ({"scheduler": {}, "status": "submitted"}, 3, "the scheduler has it"),
        ({"scheduler": {"state": "PENDING", "reason": "Priority"}}, 3, "PENDING (Priority)"),
    ],
)
def test_a_job_that_goes_on_is_left_alone(
    changes: dict[str, Any], status: int, text: str, one: Run
) -> None:
    before = store.change(one.path, lambda found: found.with_keys(**changes))
    for said in (sync(), sync(RUN_ID, "--mark-ok"), sync(RUN_ID, "--from", one.there)):
        assert (said.status, text in said.out) == (status, True), said
    assert one.manifest == before


def test_of_a_failed_run_what_is_there_comes_and_it_stays_failed(one: Run) -> None:
    changes = {
        "status": "failed",
        "scheduler": {"state": "TIMEOUT", "ended": True},
        "timestamps": {
            **one.manifest.content["timestamps"],
            "completed_at": "2026-02-18T17:00:00Z",
        },
    }
    store.change(one.path, lambda found: found.with_keys(**changes))
    assert "no run waits" in sync().out
    said = sync(RUN_ID)
    assert (said.status, said.out.endswith("came now; it stays failed\n")) == (4, True)
    assert (one.manifest.status, one.manifest.sync) == ("failed", "ok")


def test_what_somebody_has_brought_elsewhere_is_taken_from_there(one: Run, tmp_path: Path) -> None:
    (tmp_path / "fetched").mkdir()
    (tmp_path / "fetched" / "metrics.json").write_text("{}")
    shutil.rmtree(one.there)
    said = run(command, RUN_ID, "--from", "../fetched")  # no cluster is asked, and none is named
    assert (said.status, "2 bytes came now" in said.out) == (0, True), said
    assert one.here() == {"metrics.json": b"{}"}
    assert one.manifest.section("artifacts")["remote"] == str(one.there)


def test_a_person_says_that_they_are_here_and_it_looks(one: Run) -> None:
    before = one.manifest
    said = run(command, RUN_ID, "--mark-ok")
    assert (said.status, "missing: metrics.json" in said.out) == (5, True)
    assert one.manifest == before
    one.home.mkdir()
    (one.home / "metrics.json").write_text("{}")
    said = run(command, RUN_ID, "--mark-ok")
    assert (said.status, one.manifest.status) == (0, "synced")


def test_a_cluster_that_cannot_be_reached_changes_no_status(one: Run, programs: Programs) -> None:
    programs.add("ssh", "echo 'ssh: connect to host login: No route to host' >&2; exit 255")
    said = run(command, "--backend", "ssh", "--hostname", "login")
    assert said.status == 6
    assert "No route to host" in said.out
    assert said.out.endswith(f"; slurm runs sync {RUN_ID}\n")
    assert (one.manifest.status, one.manifest.sync) == ("running", "pending")
    assert "No route to host" in one.manifest.section("scheduler")["probe_error"]


def test_one_that_another_process_brings_is_in_progress(one: Run) -> None:
    with alone(one.manifest):
        said = sync()
    assert (said.status, "another process brings its artifacts home" in said.out) == (3, True)


def test_as_json(one: Run) -> None:
    (one.there / os.fsdecode(b"caf\xe9")).symlink_to("/etc/passwd")
    said = json.loads(sync("--json").out)
    assert said["errors"] == []
    [found] = said["runs"]
    assert (found["run_id"], found["exit_status"], found["status"]) == (RUN_ID, 0, "synced")
    assert found["artifacts"] == {
        "files": 1,
        "bytes": 17,
        "came": 17,
        "missing": [],
        "skipped": [{"path": r"caf\xe9", "why": "it is no file, or leads out of the artifacts"}],
        "error": "",
    }


def test_of_several_runs_the_most_urgent_is_the_status(one: Run) -> None:
    other = {"status": "running", "scheduler": {"state": "RUNNING"}, "job_id": "4712"}
    written(one.root / "project", "iter2", run_id="20260218T160046Z", **other)
    said = sync()
    assert (said.status, len(said.out.splitlines())) == (3, 2)
    assert one.manifest.status == "synced"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((RUN_ID, "--from", "nowhere"), "--from nowhere: there is no such directory"),
        (("--from", "."), "name its RUN_ID"),
        (("--mark-ok",), "name each RUN_ID"),
        ((RUN_ID, "--from", ".", "--mark-ok"), "give one"),
        (("20260218T160045",), "there is no run '20260218T160045'"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_done(
    arguments: tuple[str, ...], text: str, one: Run
) -> None:
    before = one.manifest
    said = sync(*arguments)
    assert (said.status, text in said.err) == (2, True), said
    assert one.manifest == before
    assert not one.home.exists()


@pytest.mark.local
def test_a_real_run_whose_artifacts_are_written_where_they_belong(project: RunProject) -> None:
    project.design("compute: {location: slurm}\nartifacts: {required: [metrics.json]}\n")
    manifest = project.launched()
    project.job_ended(manifest)
    said = project.run("runs", "sync", status=3)
    assert said.out.endswith("; slurm runs monitor\n")  # nobody has asked the scheduler yet
    project.run("runs", "monitor")
    said = project.run("runs", "sync", manifest.run_id, status=0)
    assert "1 file (18 bytes) here, 0 bytes came now" in said.out
