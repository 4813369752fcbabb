"""The last section of the cookbook, "Common Failure Recovery": what its user does, and what ``slurm`` then makes of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.run_project import SCRIPT, RunProject

pytestmark = pytest.mark.local

DOC = "docs/slurm_job_list.md"
# The cookbook's command lines, with what stands in them for a run.
COMMANDS = """\
policy apply preset slurm
slurm-job-list append --manifest MANIFEST --doc docs/slurm_job_list.md
slurm-job-list verify --manifest MANIFEST --doc docs/slurm_job_list.md
verify --stage launch
run
"""
DESIGN = """\
compute: {location: slurm}
artifacts: {required: [metrics.json]}
metrics:
  accuracy: {file: metrics.json, key: accuracy}
"""

WAITS = "#!/bin/bash\nwhile [ ! -e ../../gate ]; do sleep 0.02; done\n"


def edited(project: RunProject, change: Callable[[dict[str, Any]], object]) -> None:
    """Have a person change the manifest of the only run, in an editor that renames."""
    path = Path(project.manifest.path)
    content = json.loads(path.read_text())
    change(content)
    path.with_name("edited").write_text(json.dumps(content, indent=4))
    path.with_name("edited").rename(path)


def metrics(project: RunProject) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project.folder / "metrics.json").read_text())
    return found


def findings(project: RunProject, stage: str) -> dict[str, tuple[str, str, str]]:
    """What ``slurm verify`` fails, with the reason and what mends it."""
    said = project.json("verify", "--stage", stage, status=1)
    failed = [one for one in said["findings"] if one["verdict"] == "FAIL"]
    return {one["name"]: (one["verdict"], one["text"], one["fix"]) for one in failed}


def test_every_command_of_the_cookbook_is_one(
    project: RunProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a project with a run that ended, each ends with 0."""
    manifest = project.launched()
    project.job_ended()
    project.run("run", status=0)
    monkeypatch.chdir(project.root)
    path = Path(manifest.path).relative_to(project.root)
    for line in COMMANDS.replace("MANIFEST", str(path)).splitlines():
        project.run(*line.split(), status=0)


def test_after_a_refusal_the_script_is_mended_and_slurm_run_submits_it(project: RunProject) -> None:
    project.script("#!/bin/bash\n#SBATCH --mem=900000G\ntrue\n")
    refused = project.run("launch", status=1)
    assert "the scheduler refused it: " in refused.out
    assert "Requested node configuration is not available" in refused.out
    assert project.run("run", status=1).out == refused.out  # as long as it is not mended
    project.script(WAITS + SCRIPT.partition("\n")[2])
    project.run("run", status=3)
    manifest = project.manifest  # the same run
    assert manifest.job_id == "1"
    assert manifest.section("submission")["outcome"] == "accepted"
    project.write("gate", "")
    project.job_ended()
    project.run("run", status=0)
    assert f"job_id=1 | iteration_id=iter1 | run_id={manifest.run_id} | status=completed" in (
        project.ledger
    )


@pytest.mark.parametrize("word", ["ok", "completed", "success", "passed"])
def test_artifacts_that_a_person_has_copied_and_marked_are_extracted(
    project: RunProject, tmp_path: Path, word: str
) -> None:
    """They are where nobody looked for them; ``cp`` is in the place of the cookbook's rsync."""
    there = tmp_path / "elsewhere/outputs"
    there.mkdir(parents=True)
    project.design(
        DESIGN.replace(
            "required: [metrics.json]", f"remote: {tmp_path}/wrong, required: [metrics.json]"
        )
    )
    project.script(f"#!/bin/bash\necho '{{\"accuracy\": 0.7}}' >{there}/metrics.json\n")
    project.launched()
    project.job_ended()
    said = project.run("run", status=5)
    assert "artifacts are missing: metrics.json" in said.out
    assert not (project.folder / "metrics.json").exists()
    shutil.copytree(there, project.folder / "outputs", dirs_exist_ok=True)
    edited(project, lambda found: found["artifact_sync_to_local"].update(status=word))
    project.run("run", status=0)
    assert (project.manifest.status, str(project.manifest.sync)) == ("completed", "ok")
    assert project.manifest.content["artifact_sync_to_local"]["status"] == word
    assert (metrics(project)["status"], metrics(project)["metrics"]) == (
        "completed",
        {"accuracy": 0.7},
    )


def test_a_missing_entry_is_appended(project: RunProject) -> None:
    manifest = project.launched()
    there = ("--manifest", manifest.path, "--doc", str(project.root / DOC))
    lines = project.ledger.splitlines(keepends=True)
    kept = [*(one for one in lines if manifest.run_id not in one), "Ask Ada.\n"]
    project.write(DOC, "".join(kept))
    missing = project.run("slurm-job-list", "verify", *there, status=1)
    assert "entry missing" in missing.out
    project.run("slurm-job-list", "append", *there, status=0)
    project.run("slurm-job-list", "verify", *there, "--strict", status=0)
    assert sorted(project.ledger.splitlines(keepends=True)) == sorted([*lines, "Ask Ada.\n"])


def test_slurm_run_mends_a_missing_entry_by_itself(project: RunProject) -> None:
    manifest = project.launched()
    project.job_ended()
    (project.root / DOC).unlink()
    project.run("run", status=0)
    assert f"run_id={manifest.run_id} | status=completed" in project.ledger


def test_the_manifest_is_all_that_is_needed_to_finish_a_run(project: RunProject) -> None:
    """What the SDK keeps beside it is gone, and so is the script that the job had."""
    manifest = project.launched()
    project.job_ended()
    for folder in ("docs", ".slurm"):
        shutil.rmtree(project.root / folder)
    (project.iteration / "run_slurm.sbatch").unlink()
    project.run("run", status=0)
    assert project.manifest.status == "completed"
    assert f"run_id={manifest.run_id} | status=completed" in project.ledger


def test_verify_asks_for_the_job_id(project: RunProject) -> None:
    manifest = project.launched()
    edited(project, lambda found: found.pop("job_id"))
    said = findings_of_broken(project)
    assert (
        said
        == f"FAIL manifest: {manifest.path}: a slurm run that is submitted has a job_id: write it down"
    )


def test_verify_asks_for_the_sync_status(project: RunProject) -> None:
    manifest = project.launched()
    path = Path(manifest.path)
    content = json.loads(path.read_text())
    content["artifact_sync_to_local"] = {}
    path.write_text(json.dumps(content))
    said = findings_of_broken(project)
    assert said.startswith(f"FAIL manifest: {path}: ")
    assert "artifact_sync_to_local must contain ['status']" in said


def findings_of_broken(project: RunProject) -> str:
    said = project.run("verify", "--stage", "launch", status=1).out.splitlines()[0]
    text, _, fix = said.partition("; fix: ")
    assert fix == "mend it in an editor"
    return text


def test_verify_asks_for_the_ledger_and_its_entry(project: RunProject) -> None:
    manifest = project.launched()
    append = f"slurm slurm-job-list append --manifest '{manifest.path}'".replace(
        "it's", "it'\"'\"'s"
    )
    project.write(DOC, "# Slurm jobs\n")
    [(name, (_, text, fix))] = findings(project, "launch").items()
    assert (name, fix) == ("ledger", append)
    assert f"no line has run_id={manifest.run_id}" in text
    (project.root / DOC).unlink()
    [(name, (_, text, fix))] = findings(project, "launch").items()
    assert (name, fix) == ("ledger", append)
    assert f"{DOC} is not there" in text


def test_a_run_that_nobody_looked_after_for_long_goes_on(project: RunProject) -> None:
    """Its job has completed, and its artifacts are here: the monitor was stuck, not the run."""
    project.design(DESIGN)
    project.launched()
    project.job_ended()
    edited(project, lambda found: found["artifact_sync_to_local"].update(status="ok"))
    project.run("run", status=0)
    assert [line["to"] for line in project.manifest.content["history"]] == [
        *("submitted", "running", "synced", "completed")
    ]
    assert metrics(project)["metrics"] == {"accuracy": 0.9}


@pytest.mark.parametrize("word", ["mark", "ok"])
def test_of_a_job_that_the_scheduler_has_forgotten_a_person_says_that_it_completed(
    project: RunProject, word: str
) -> None:
    project.design(DESIGN)
    manifest = project.launched()
    project.job_ended()
    forgotten = {"state": "UNKNOWN", "ended": True, "missing_since": "2026-02-18T16:00:45Z"}
    edited(project, lambda found: found.update(scheduler=forgotten))
    said = project.run("run", status=3)
    assert "nobody knows how job 1 ended" in said.out
    assert f"slurm runs mark {manifest.run_id} completed" in said.out
    if word == "mark":
        project.run("runs", "mark", manifest.run_id, "completed", status=None)
    else:
        edited(project, lambda found: found["artifact_sync_to_local"].update(status="ok"))
    project.run("run", status=0)
    assert project.manifest.status == "completed"
    assert metrics(project)["metrics"] == {"accuracy": 0.9}


def test_a_run_that_a_person_says_has_failed_is_extracted(project: RunProject) -> None:
    project.design(DESIGN)
    project.script("#!/bin/bash\n#SBATCH --time=5\nsleep 600\n")
    manifest = project.launched()
    edited(project, lambda found: found.update(status="failed"))
    project.run("run", status=4)
    assert (metrics(project)["status"], metrics(project)["metrics"]) == (
        "failed",
        {"accuracy": None},
    )
    assert f"run_id={manifest.run_id} | status=failed" in project.ledger


def test_the_monitor_takes_a_failed_run_to_the_extraction(project: RunProject) -> None:
    project.design(DESIGN)
    project.script("#!/bin/bash\necho out of luck >&2\nexit 7\n")
    manifest = project.launched()
    project.job_ended()
    said = project.run("runs", "monitor", status=4)
    assert "exit code 7:0" in said.out
    assert project.manifest.status == "failed"
    assert project.manifest.section("scheduler")["exit_code"] == "7:0"
    [log] = project.manifest.section("logs")["files"]
    assert "out of luck" in (project.folder / log).read_text()
    assert not (project.folder / "metrics.json").exists()
    assert f"run_id={manifest.run_id} | status=failed" in project.ledger
    project.run("runs", "extract", status=4)
    found = metrics(project)
    assert (found["status"], found["metrics"]) == ("failed", {"accuracy": None})
    assert found["missing_evidence"][0]["why"].startswith("job 1 is FAILED")
    assert log in found["missing_evidence"][0]["what_to_do"]
