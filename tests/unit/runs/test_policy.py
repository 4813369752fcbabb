"""The policy file: what holds, where it is from, and one line for each file that is none."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from slurm.errors import ConfigError
from slurm.runs.policy import (
    COMMANDS,
    DRY_RUN,
    EVERY_COMMAND,
    RSYNC,
    Policy,
    keys,
    load_policy,
    preset,
)
from slurm.runs.yaml_files import LARGEST

COOKBOOK = """\
# Customize the dry-run command for SLURM environments
dry_run_command: "{{python_bin}} -m myproject.dry_run --config path/to/config.yaml"
"""
KNOBS = """\
requirements_by_stage.launch.env_smoke: true
requirements_by_stage.slurm_monitor.env_smoke: true
agent_runner.edit_scope.mode: "iteration_plus_core"
autorun.todo_fallback.slurm.stage: "hypothesis"
"""
VALUES = {"iteration_dir": "plan/iter1", "iteration_id": "iter1", "host_mode": "slurm"}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SLURM_POLICY", raising=False)
    (tmp_path / ".slurm").mkdir(mode=0o755)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def policy(text: str | bytes) -> Policy:
    path = Path(".slurm/policy.yaml")
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o644)
    return load_policy()


def test_what_a_file_says_of_one_key_says_nothing_of_those_beside_it() -> None:
    found = policy(
        "preset: slurm\n"
        "requirements_by_stage: {launch: {}}\n"
        "agent_runner: {edit_scope: {core_dirs: [lib]}}\n"
        "sync: {max_size: 2G}\n"
    )
    assert found["agent_runner.edit_scope.mode"] == "iteration_plus_core"
    assert found["requirements_by_stage.launch.env_smoke"] is True
    assert set(found.own) == {"preset", "agent_runner.edit_scope.core_dirs", "sync.max_size"}


def values(found: Policy) -> dict[str, object]:
    return {key: setting.value for key, setting in found.own.items()}


def test_without_a_file_the_defaults_hold() -> None:
    found = load_policy()
    assert not found.exists
    assert {key: one.value for key, one in found.settings.items()} == {
        "preset": None,
        "python_bin": None,
        "dry_run_command": None,
        "requirements_by_stage.launch.env_smoke": False,
        "requirements_by_stage.slurm_monitor.env_smoke": False,
        "agent_runner.edit_scope.mode": "iteration_only",
        "agent_runner.edit_scope.core_dirs": ["src", "scripts", "slurm"],
        "autorun.todo_fallback.slurm.stage": None,
        "ledger": "docs/slurm_job_list.md",
        "sync.rsync_command": None,
        "sync.max_size": "10G",
    }
    assert {found.where(key) for key in found.settings} == {"default"}


@pytest.mark.parametrize(
    "text", ["", "# nothing yet\n", "---\n", "null\n", "{}\n", "agent_runner:\n"]
)
def test_a_file_that_says_nothing_changes_nothing(text: str) -> None:
    found = policy(text)
    assert found.exists
    assert found.own == {}
    assert found["ledger"] == "docs/slurm_job_list.md"


def test_the_cookbooks_file_reads_as_it_stands() -> None:
    assert policy(COOKBOOK).command(DRY_RUN, **VALUES) == [
        *(sys.executable, "-m", "myproject.dry_run"),
        *("--config", "path/to/config.yaml"),
    ]


def test_the_cookbooks_keys_hold_as_it_prints_them_and_nested() -> None:
    dotted = values(policy(KNOBS))
    nested = values(
        policy(
            "requirements_by_stage: {launch: {env_smoke: true}, slurm_monitor: {env_smoke: true}}\n"
            "agent_runner:\n  edit_scope.mode: iteration_plus_core\n"
            "autorun: {todo_fallback: {slurm: {stage: hypothesis}}}\n"
        )
    )
    assert dotted == nested
    assert dotted == preset("slurm")


def test_the_file_lies_over_the_preset_and_that_over_the_defaults() -> None:
    found = policy(
        "# mine\npreset: slurm\nrequirements_by_stage:\n  launch:\n    env_smoke: false\n"
    )
    assert found["requirements_by_stage.launch.env_smoke"] is False
    assert found["requirements_by_stage.slurm_monitor.env_smoke"] is True
    where = found.where("requirements_by_stage.launch.env_smoke")
    assert where.endswith(".slurm/policy.yaml, line 5")
    assert found.where("requirements_by_stage.slurm_monitor.env_smoke") == "preset slurm"
    assert found.where("ledger") == "default"


def test_a_value_that_is_taken_away_wins_too() -> None:
    found = policy("preset: slurm\nautorun.todo_fallback.slurm.stage: null\n")
    assert found["autorun.todo_fallback.slurm.stage"] is None


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("presett: slurm", 1, "presett is no key (did you mean 'preset'?)"),
        ("# a\npreset: slum", 2, "preset is 'slum' (did you mean 'slurm'?), and must be slurm"),
        (
            "\nrequirements_by_stage:\n  lunch: {}",
            3,
            "requirements_by_stage.lunch is no key (did you mean 'launch'?)",
        ),
        ("requirements_by_stage.launch.env_smok: true", 1, "(did you mean 'env_smoke'?)"),
        (
            "requirements_by_stage:\n  launch:\n    env_smoke: yes",
            3,
            "env_smoke is 'yes', and must be true or false",
        ),
        ("requirements_by_stage.launch.env_smoke: 1", 1, "is 1, and must be true or false"),
        ("requirements_by_stage.launch.env_smoke:", 1, "is empty, and must be true or false"),
        ("requirements_by_stage: [launch]", 1, "is a list, and must be a mapping"),
        (
            "agent_runner.edit_scope.mode: iteration_plus_cor",
            1,
            "(did you mean 'iteration_plus_core'?)",
        ),
        (
            "agent_runner: {edit_scope: {core_dirs: src}}",
            1,
            "core_dirs is 'src', and must be a list",
        ),
        (
            "agent_runner: {edit_scope: {core_dirs: [src, /etc]}}",
            1,
            "is '/etc', and must be a path relative",
        ),
        ("agent_runner: {edit_scope: {core_dirs: [src/../..]}}", 1, "without .."),
        ("ledger: ../other.md", 1, "must be a path relative to the project, without .."),
        ("ledger: /etc/passwd", 1, "must be a path relative"),
        ("ledger: docs/", 1, "must be a path relative"),
        ("ledger: 2026-02-18", 1, "ledger is a date, and must be text"),
        ("ledger: !secret x", 1, "and must be text"),
        ("autorun.todo_fallback.slurm.stage: 'rm -rf'", 1, "the name of a stage"),
        ("dry_run_command: ''", 1, "dry_run_command is ''"),
        ("dry_run_command: [python, -m, x]", 1, "is a list, and must be text"),
        ("dry_run_command: '{{pythonbin}} x'", 1, "(did you mean 'python_bin'?)"),
        ("dry_run_command: 'echo \"x'", 1, "cannot be split into arguments"),
        (
            "sync:\n  rsync_command: rsync {{iteration_dir}}",
            2,
            "sync.rsync_command is no command: {{iteration_dir}}",
        ),
        ("sync.max_size: 1.5G", 1, "sync.max_size is '1.5G', and must be a size as --mem has it"),
        ("sync.max_size: 0G", 1, "must be a size"),
        ("sync.max_size: 0", 1, "sync.max_size is 0"),
        ("sync.max_size:", 1, "sync.max_size is empty"),
        ('python_bin: "a\\nb"', 1, "line break or control character"),
        ("ledger: a\nledger: b", 2, "duplicate key"),
        ("ledger: a\n\nsync.rsync_command: x\nsync: {rsync_command: y}", 4, "said twice"),
        ("sync.rsync_command: x\nsync: y", 2, "said twice"),
        ("ledger: a\nsync: [", 2, "it is no YAML"),
        ("ledger: a\n\tb: c", 2, "it is no YAML"),
        ("ledger: a\n---\nledger: b", 2, "it is no YAML"),
        ("ledger: *none", 1, "undefined alias"),
        ("ledger: 'a", 1, "it is no YAML"),
        ("a: b: c", 1, "it is no YAML"),
        ("- preset: slurm", 1, "it is no mapping"),
        ("preset", 1, "it is no mapping"),
        ("preset: slurm\n1: x", 2, "1 is no key: keys are text"),
        ("? [a, b]\n: x", 0, "a list is no key: keys are text"),
        ("dry_run_command: {{python_bin}} -m x", 1, "begins with {{ in quotes"),
        ("dry_run_command: {{python_bin}}", 1, "begins with {{ in quotes"),
        ("ledger: a\n\x01: b", 2, "it is no YAML"),
        (b"ledger: a\nsync: \xff", 2, "it is no UTF-8 text"),
        ("[" * 3000, 0, "nested too deeply"),
        ("ledger: &a [*a]", 1, "ledger is a list, and must be text"),
        ("#" * (LARGEST + 1), 0, "is not read: it is larger"),
    ],
)
def test_a_bad_file_is_one_line_with_its_line_and_key(
    text: str | bytes, line: int, says: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        policy(text)
    message = str(raised.value)
    assert "\n" not in message
    assert says in message
    assert ".slurm/policy.yaml" + (f", line {line}:" if line else "") in message


def test_aliases_of_aliases_are_not_unrolled() -> None:
    names = "abcdefghijklmnopqrstuvwx"
    text = "x0: &x0 [1]\n" + "".join(
        f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, len(names))
    )
    with pytest.raises(ConfigError, match="too much in it"):
        policy(text)


def test_tags_run_nothing(project: Path) -> None:
    with pytest.raises(ConfigError):
        policy("ledger: !!python/object/apply:os.system ['touch hacked']")
    assert not (project / "hacked").exists()


@pytest.mark.parametrize("kind", ["directory", "pipe", "loop", "dangling"])
def test_what_is_no_file_is_refused_in_one_line(kind: str, project: Path) -> None:
    path = project / ".slurm/policy.yaml"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path.name)
    else:
        path.symlink_to("not there")
    with pytest.raises(ConfigError, match=r"policy\.yaml cannot be read: "):
        load_policy()


def test_every_key_is_described_and_has_a_default() -> None:
    assert {
        key for key, one in keys().items() if not {"description", "default"} <= set(one)
    } == set()


def test_every_placeholder_is_described_with_its_command() -> None:
    for key, own in COMMANDS.items():
        described = set(re.findall(r"{{(\w+)}}", keys()[key]["description"]))
        assert described == {*EVERY_COMMAND, *own}


def test_many_brackets_that_are_closed_are_no_nesting() -> None:
    text = "agent_runner.edit_scope.core_dirs: [a]  # " + "[x] " * 1000
    assert policy(text)["agent_runner.edit_scope.core_dirs"] == ["a"]


def test_a_file_that_others_can_write_gives_no_command(project: Path) -> None:
    found = policy("dry_run_command: x\nsync.rsync_command: y {{source}}\nledger: mine.md\n")
    found.path.chmod(0o666)
    assert found["ledger"] == "mine.md"
    with pytest.raises(ConfigError) as raised:
        found.command(DRY_RUN, **VALUES)
    assert "line 1: dry_run_command is not run" in str(raised.value)
    assert f"SLURM_POLICY={found.path}" in str(raised.value)
    with pytest.raises(ConfigError, match="others can write to it"):
        found.command(RSYNC, source="a", destination="b", run_id="c")


def test_a_file_that_is_named_is_believed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = project / "other.yaml"
    other.write_text("dry_run_command: x")
    other.chmod(0o666)
    monkeypatch.setenv("SLURM_POLICY", str(other))
    assert load_policy().command(DRY_RUN, **VALUES) == ["x"]
    other.unlink()
    with pytest.raises(ConfigError, match=r"SLURM_POLICY names .*other\.yaml, which is not there"):
        load_policy()


def test_an_interpreter_is_one_of_the_project_or_of_the_path(project: Path) -> None:
    assert policy("python_bin: 'my env/bin/python'").python_bin == f"{project}/my env/bin/python"
    assert policy("python_bin: python3.11").python_bin == "python3.11"
    assert policy("python_bin: ~/bin/python").python_bin == os.path.expanduser("~/bin/python")


def test_a_policy_without_a_command_gives_none() -> None:
    assert load_policy().command(DRY_RUN, **VALUES) is None


def test_there_is_no_other_preset() -> None:
    with pytest.raises(ConfigError, match=r"no preset 'slrum' \(did you mean 'slurm'\?\)"):
        preset("slrum")


@pytest.mark.parametrize(
    ("text", "size"), [("10G", 10 << 30), ("512MB", 512 << 20), ("100", 100 << 20), ("1k", 1 << 20)]
)
def test_a_size_is_one_as_mem_has_it(text: str, size: int) -> None:
    assert policy(f"sync.max_size: {text}").most_bytes == size


def test_the_cookbooks_name_for_the_file_is_read_and_two_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / ".slurm").mkdir(exist_ok=True)
    (tmp_path / ".slurm/verifier_policy.yaml").write_text("preset: slurm\n")
    policy = load_policy(tmp_path)
    assert (policy.preset, policy.path.name) == ("slurm", "verifier_policy.yaml")
    (tmp_path / ".slurm/policy.yaml").write_text("preset: null\n")
    with pytest.raises(
        ConfigError, match=r"there are two policy files, .*: leave one of them there"
    ):
        load_policy(tmp_path)
