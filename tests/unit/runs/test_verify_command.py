"""``slurm verify``: a line for each check, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.clicked import Said, run
from tests.helpers.run_manifests import RUN_ID, written

from slurm.cli.verify import command
from slurm.runs import ledger_file, store
from slurm.runs.verify import Stage

OK = {"status": "ok"}
ALL_STAGES = [str(one) for one in Stage]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    monkeypatch.delenv("SLURM_POLICY", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def launched(root: Path, **changes: Any) -> Path:
    path = written(root, submission={"token": "c0ffee", "outcome": "accepted"}, **changes)
    iteration = path.parents[2]
    (iteration / "run_slurm.sbatch").write_text("#!/bin/bash\n")
    (iteration / "design.yaml").write_text("hypothesis: it learns\n")
    ledger_file.append(root / "docs/slurm_job_list.md", store.read(path))
    return path


def verify(stage: str, *arguments: object) -> Said:
    return run(command, "--stage", stage, *arguments)


def test_a_healthy_launch_passes_with_a_line_for_each_check(project: Path) -> None:
    launched(project)
    said = verify("launch")
    assert (said.status, said.err) == (0, "")
    lines = said.out.splitlines()
    assert f"PASS {RUN_ID} job-id: 4711" in lines
    assert all(line.startswith("PASS ") for line in lines)
    assert lines[-1] == (
        "PASS env-smoke: requirements_by_stage.launch.env_smoke is off (default): the environment is not looked at"
    )


def test_each_failure_of_the_cookbook_is_found_with_its_fix_which_works(project: Path) -> None:
    path = launched(project)
    (project / "docs/slurm_job_list.md").unlink()
    said = verify("launch")
    assert said.status == 1
    [line] = [one for one in said.out.splitlines() if not one.startswith("PASS")]
    assert line == (
        f"FAIL {RUN_ID} ledger: {project}/docs/slurm_job_list.md is not there; "
        f"fix: slurm slurm-job-list append --manifest {path}"
    )
    ledger_file.append(project / "docs/slurm_job_list.md", store.read(path))
    assert verify("launch").status == 0


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_a_stage_without_any_run_fails(stage: str) -> None:
    said = verify(stage)
    assert said.status == 1
    assert said.out.startswith(
        f"FAIL runs: there is no run here to verify for {stage}; fix: slurm launch\n"
    )


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_a_manifest_that_cannot_be_read_fails(project: Path, stage: str) -> None:
    path = launched(project)
    path.write_text("{")
    said = verify(stage)
    assert said.status == 1
    assert said.out.startswith(f"FAIL manifest: {path}: it is no JSON (line 1, column 2: ")


def test_warnings_are_no_failure_and_json_has_them_all(project: Path) -> None:
    launched(project, status="running")
    said = verify("slurm_monitor", "--json")
    assert said.status == 0
    found = json.loads(said.out)
    assert (found["stage"], found["verdict"]) == ("slurm_monitor", "WARN")
    assert {
        "run_id": RUN_ID,
        "name": "scheduler",
        "verdict": "WARN",
        "text": "it was never asked",
        "fix": f"slurm runs monitor {RUN_ID}",
    } in found["findings"]


def test_only_the_runs_that_are_named_are_looked_at(project: Path) -> None:
    launched(project)
    written(project, "iter2", run_id="r2")
    assert verify("launch").status == 1
    assert verify("launch", RUN_ID).status == 0
    assert verify("launch", RUN_ID[:-1]).status == 2


@pytest.mark.parametrize("stage", ["lunch", None])
def test_a_stage_that_is_none_is_a_usage_error(stage: str | None) -> None:
    said = run(command, *(["--stage", stage] if stage else []))
    assert said.status == 2


@pytest.mark.local
def test_what_the_policy_asks_for_is_looked_at(project: Path) -> None:
    launched(project, host_mode="local")
    (project / "plan/iter1/run_slurm.sbatch").write_text("#!/bin/bash\n")
    (project / "plan/iter1/run_local.sh").write_text("#!/bin/bash\n")
    policy = project / ".slurm/policy.yaml"
    policy.parent.mkdir(mode=0o700)
    policy.write_text(
        "requirements_by_stage.launch.env_smoke: true\ndry_run_command: sh -c 'exit 4'\n"
    )
    policy.chmod(0o600)
    said = verify("launch", "--job-base-dir", project / "jobs")
    assert said.status == 1
    lines = [line for line in said.out.splitlines() if RUN_ID not in line]
    assert lines[0] == "PASS cluster: local answers"
    assert lines[1].startswith("PASS python-bin: ")
    assert lines[2].startswith("FAIL dry-run: the dry run of iter1 failed with exit status 4: ")
