"""``slurm policy``: what it prints, and its exit status."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.helpers.clicked import Said, run

from slurm.cli.policy import command


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SLURM_POLICY", raising=False)
    (tmp_path / ".git").mkdir()
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def policy(*arguments: object) -> Said:
    return run(command, *arguments)


def write(text: str, mode: int = 0o644) -> Path:
    path = Path(".slurm/policy.yaml")
    path.parent.mkdir(exist_ok=True, mode=0o755)
    path.write_text(text)
    path.chmod(mode)
    return path


def checks(*arguments: object) -> tuple[int, dict[str, str]]:
    said = policy("doctor", *arguments)
    return said.status, {line.split(":")[0].split()[1]: line for line in said.out.splitlines()}


def test_apply_preset_makes_the_file_and_says_what_holds(project: Path) -> None:
    said = policy("apply", "preset", "slurm")
    assert said.status == 0
    assert said.out.splitlines()[0] == f"{project}/.slurm/policy.yaml: made, with preset: slurm"
    assert '  agent_runner.edit_scope.mode: "iteration_plus_core"' in said.out.splitlines()
    again = policy("apply", "preset", "slurm")
    assert again.status == 0
    assert "unchanged" in again.out.splitlines()[0]


def test_apply_preset_names_the_values_that_stay() -> None:
    write("# mine\nagent_runner.edit_scope.mode: any\n")
    said = policy("apply", "preset", "slurm")
    assert (
        '  agent_runner.edit_scope.mode: "any" (stays: line 2 of the file)' in said.out.splitlines()
    )


@pytest.mark.parametrize(
    "arguments", [("apply", "preset", "slrum"), ("apply", "preset"), ("apply", "presets", "slurm")]
)
def test_what_is_no_preset_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    assert policy(*arguments).status == 2
    assert not Path(".slurm").exists()


def test_show_prints_what_the_file_says_with_its_lines(project: Path) -> None:
    write("# mine\npreset: slurm\nledger: runs.md\n")
    said = policy("show")
    assert said.out.splitlines() == [
        f"# {project}/.slurm/policy.yaml",
        'preset: "slurm"  # line 2',
        'ledger: "runs.md"  # line 3',
    ]


def test_show_effective_prints_where_each_value_is_from() -> None:
    write("preset: slurm\nledger: runs.md\n")
    lines = policy("show", "--effective").out.splitlines()
    assert "requirements_by_stage.launch.env_smoke: true  # preset slurm" in lines
    assert "dry_run_command: null  # default" in lines
    assert 'ledger: "runs.md"  # line 2' in lines


def test_show_prints_json(project: Path) -> None:
    write("preset: slurm\nledger: runs.md\n")
    found = json.loads(policy("show", "--effective", "--json").out)
    assert found["path"] == f"{project}/.slurm/policy.yaml"
    assert (found["exists"], found["preset"]) == (True, "slurm")
    assert found["settings"]["ledger"] == {"value": "runs.md", "from": "file", "line": 2}
    assert found["settings"]["python_bin"] == {"value": None, "from": "default"}
    assert json.loads(policy("show", "--json").out)["settings"].keys() == {"preset", "ledger"}


@pytest.mark.parametrize(
    "arguments", [("show",), ("check-scope", "x"), ("apply", "preset", "slurm")]
)
def test_a_bad_file_fails_closed(arguments: tuple[str, ...]) -> None:
    write("\nlegder: x\n")
    said = policy(*arguments)
    assert said.status == 2
    assert said.out == ""
    assert ".slurm/policy.yaml, line 2: legder is no key (did you mean 'ledger'?)" in said.line


def test_the_doctor_finds_a_new_project_well(project: Path) -> None:
    assert checks()[0] == 0
    policy("apply", "preset", "slurm")
    (project / "src").mkdir()
    status, found = checks()
    assert status == 0
    assert {line.split()[0] for line in found.values()} == {"PASS"}
    assert list(found) == [
        *("policy-file", "policy-trust", "preset", "env-smoke", "python-bin"),
        *("dry-run-command", "rsync-command", "edit-scope", "ledger"),
    ]


def test_the_doctor_says_what_is_wrong_with_the_file() -> None:
    write("ledger: [")
    status, found = checks()
    assert status == 2
    assert found.keys() == {"policy-file"}
    assert "line 1: it is no YAML" in found["policy-file"]
    assert "; fix: " in found["policy-file"]


@pytest.mark.parametrize(
    ("text", "check", "verdict", "says"),
    [
        ("python_bin: /not/there", "python-bin", "FAIL", "/not/there"),
        ("dry_run_command: not-there x", "dry-run-command", "FAIL", "not-there"),
        ("dry_run_command: ./not-there x", "dry-run-command", "FAIL", "not-there"),
        ("dry_run_command: '{{python_bin}} x && y'", "dry-run-command", "WARN", "&&"),
        ("dry_run_command: '{{python_bin}} -m x'", "dry-run-command", "PASS", "-m x"),
        (
            "sync.rsync_command: rsync -avz {{source}} {{destination}}",
            "rsync-command",
            "FAIL",
            "rsync",
        ),
        ("agent_runner.edit_scope.mode: any", "edit-scope", "WARN", "all of the project"),
        ("agent_runner.edit_scope.mode: iteration_plus_core", "edit-scope", "WARN", "src, scripts"),
        ("ledger: .git", "ledger", "FAIL", "is a directory"),
        ("ledger: linked/x.md", "ledger", "FAIL", "outside of the project"),
        (
            "preset: slurm\nrequirements_by_stage.launch.env_smoke: false",
            "env-smoke",
            "WARN",
            "line 2",
        ),
    ],
)
def test_the_doctor_names_what_cannot_work_and_the_fix(
    text: str, check: str, verdict: str, says: str, project: Path
) -> None:
    (project / "linked").symlink_to("/tmp")
    write(text)
    status, found = checks()
    line = found[check]
    assert line.startswith(f"{verdict} {check}: ")
    assert says in line
    assert ("; fix: " in line) == (verdict != "PASS")
    assert status == (1 if verdict == "FAIL" else 0)


def test_the_doctor_distrusts_a_file_that_others_can_write() -> None:
    path = write("ledger: x.md", 0o666)
    assert checks()[1]["policy-trust"].startswith("WARN")
    path.write_text("dry_run_command: x")
    status, found = checks()
    assert status == 1
    assert found["policy-trust"].startswith(
        "FAIL policy-trust: others can write to it, so dry_run_command is not run"
    )


def test_the_doctor_misses_the_preset_where_slurm_is(project: Path) -> None:
    for name in ("sbatch", "squeue", "sinfo"):
        (project / "bin" / name).write_text("#!/bin/sh\n")
        (project / "bin" / name).chmod(0o755)
    assert checks()[1]["preset"].endswith("fix: slurm policy apply preset slurm")


def test_the_doctor_prints_json() -> None:
    rows = json.loads(policy("doctor", "--json").out)
    assert rows[0].keys() == {"name", "verdict", "text", "fix"}
    assert {row["verdict"] for row in rows} == {"PASS"}


def test_check_scope_says_what_is_outside(project: Path) -> None:
    (project / "plan/iter1").mkdir(parents=True)
    inside = policy("check-scope", "--iteration", "plan/iter1", "plan/iter1/x")
    assert (inside.status, inside.out) == (0, "")
    both = policy(
        "check-scope", "--iteration", "plan/iter1", "plan/iter1/x", "src/x", "plan/iter1/../y\n"
    )
    assert both.status == 1
    assert both.out.splitlines() == [
        "outside: src/x: iteration_only allows plan/iter1",
        "outside: 'plan/iter1/../y\\n': iteration_only allows plan/iter1",
    ]


def test_check_scope_prints_json(project: Path) -> None:
    (project / "plan/iter1").mkdir(parents=True)
    said = policy("check-scope", "--json", "--iteration", "plan/iter1", "src/x")
    assert said.status == 1
    found = json.loads(said.out)
    assert found["mode"] == "iteration_only"
    assert found["outside"] == [{"path": "src/x", "reason": "iteration_only allows plan/iter1"}]


def test_check_scope_needs_an_iteration_and_a_path() -> None:
    assert "name it with --iteration" in policy("check-scope", "x").line
    assert policy("check-scope").status == 2


@pytest.mark.parametrize(
    "arguments", [(), ("apply",), ("apply", "preset"), ("show",), ("doctor",), ("check-scope",)]
)
def test_every_help_has_an_example(arguments: tuple[str, ...]) -> None:
    said = policy(*arguments, "--help")
    assert said.status == 0
    assert re.search(r"^Examples?:\n  slurm policy ", said.out, re.MULTILINE)


def test_apply_preset_tells_programs_what_it_did(project: Path) -> None:
    path = str(project / ".slurm/policy.yaml")
    for made in (True, False):
        said = json.loads(policy("apply", "preset", "slurm", "--json").out)
        assert said == {"preset": "slurm", "path": path, "made": made, "changed": made}
