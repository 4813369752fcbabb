"""What ``env_smoke`` of a policy asks for: whether the cluster answers, and whether a dry run works."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from slurm.errors import ConfigError, SchedulerUnreachable
from slurm.runs.environment import Iteration, examine
from slurm.runs.policy import Policy, policy_of
from slurm.runs.verify import Stage

ON = (
    "requirements_by_stage.launch.env_smoke: true\n"
    "requirements_by_stage.slurm_monitor.env_smoke: true\n"
)


def policy(root: Path, text: str = ON) -> Policy:
    path = root / "policy.yaml"
    path.write_text(text)
    return policy_of(text, path, root, named=True)


def answers() -> str:
    return "it has 2 partitions"


def found(root: Path, stage: Stage, text: str = ON) -> list[str]:
    iterations = [Iteration(root, "iter1", "slurm")] * 2
    return [str(one) for one in examine(stage, policy(root, text), iterations, answers)]


def nobody() -> NoReturn:
    raise AssertionError("nobody is to be asked")


@pytest.mark.parametrize("stage", list(Stage))
def test_what_is_off_is_said_and_not_looked_at(tmp_path: Path, stage: Stage) -> None:
    [said] = examine(stage, policy(tmp_path, ""), [], nobody)
    off = f"requirements_by_stage.{stage}.env_smoke is off (default): the environment is not looked at"
    files = f"stage {stage} needs nothing but files: no environment is looked at"
    assert str(said) == f"PASS env-smoke: {files if stage is Stage.EXTRACT else off}"


def test_the_cluster_and_the_interpreter_are_looked_at_in_both_stages(tmp_path: Path) -> None:
    expected = ["PASS cluster: it has 2 partitions", f"PASS python-bin: {sys.executable}"]
    assert found(tmp_path, Stage.MONITOR) == expected
    none = "PASS dry-run: there is no dry_run_command in the policy"
    assert found(tmp_path, Stage.LAUNCH) == [*expected, none]


def test_an_interpreter_that_is_none_fails(tmp_path: Path) -> None:
    said = found(tmp_path, Stage.MONITOR, f"{ON}python_bin: bin/nope\n")[1]
    assert said.startswith(f"FAIL python-bin: {tmp_path}/bin/nope (")


@pytest.mark.parametrize(
    "error", [SchedulerUnreachable("no route\nto host"), ConfigError("no backend")]
)
def test_a_cluster_that_does_not_answer_fails(tmp_path: Path, error: Exception) -> None:
    def asked() -> NoReturn:
        raise error

    first = str(next(iter(examine(Stage.LAUNCH, policy(tmp_path), [], asked))))
    assert first.startswith(f"FAIL cluster: {' '.join(str(error).split())}; fix: ")


def test_the_dry_run_is_run_once_for_each_iteration(tmp_path: Path) -> None:
    command = "sh -c 'echo \"$0 $1\" >> said' {{iteration_id}} {{host_mode}}"
    text = f"{ON}dry_run_command: {json.dumps(command)}\n"
    assert found(tmp_path, Stage.LAUNCH, text)[2:] == ["PASS dry-run: iter1: it would work"]
    assert (tmp_path / "said").read_text() == "iter1 slurm\n"
    assert len(found(tmp_path, Stage.MONITOR, text)) == 2
    assert (tmp_path / "said").read_text() == "iter1 slurm\n"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (
            "sh -c 'echo first; echo no data >&2; exit 3'",
            "the dry run of iter1 failed with exit status 3: no data",
        ),
        ("sh -c 'echo no data; exit 1'", "the dry run of iter1 failed with exit status 1: no data"),
        ("sh -c 'exit 4'", "the dry run of iter1 failed with exit status 4: it says nothing"),
        ("/nowhere/program", "the dry run of iter1: /nowhere/program: No such file or directory"),
    ],
)
def test_a_dry_run_that_fails_says_its_last_words(tmp_path: Path, command: str, why: str) -> None:
    said = found(tmp_path, Stage.LAUNCH, f'{ON}dry_run_command: "{command}"\n')[2]
    assert said.startswith(f"FAIL dry-run: {why}; fix: run it by hand, and mend what it says (")


def test_without_an_iteration_a_dry_run_is_a_warning(tmp_path: Path) -> None:
    asked = policy(tmp_path, f"{ON}dry_run_command: sh\n")
    said = [str(one) for one in examine(Stage.LAUNCH, asked, [], answers)]
    assert said[2].startswith("WARN dry-run: there is no iteration to run it for")


def test_a_command_that_others_could_have_written_is_not_run(tmp_path: Path) -> None:
    asked = policy(tmp_path, f"{ON}dry_run_command: sh\n")
    asked.path.chmod(0o666)
    open_to_all = policy_of(asked.path.read_text(), asked.path, tmp_path)
    iterations = [Iteration(tmp_path, "iter1", "slurm")]
    said = [str(one) for one in examine(Stage.LAUNCH, open_to_all, iterations, answers)]
    assert "dry_run_command is not run, for nobody named the file" in said[2]
    assert said[2].endswith("; fix: slurm policy doctor")
