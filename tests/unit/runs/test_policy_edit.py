"""A preset goes into the user's file, of which every other byte stays."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from slurm.errors import ConfigError, SlurmError
from slurm.runs import policy_edit
from slurm.runs.policy import load_policy, policy_of
from slurm.runs.policy_edit import apply_preset, new_file

MINE = """\
# Ours since 2024, ask Ada before changing it.

dry_run_command:   "{{python_bin}} -m ours.dry_run"   # quick
requirements_by_stage:
    launch:
        env_smoke:  false # the login node has no GPU

# The end.
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SLURM_POLICY", raising=False)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def file(project: Path) -> Path:
    path = project / ".slurm/policy.yaml"
    path.parent.mkdir()
    return path


def test_a_preset_deletes_no_comment_and_moves_no_line(file: Path) -> None:
    file.write_text(MINE)
    done = apply_preset("slurm")
    assert (done.made, done.changed) == (False, True)
    assert file.read_text() == MINE + "preset: slurm\n"


def test_a_preset_rewrites_no_value_of_the_user(file: Path) -> None:
    file.write_text(MINE)
    found = apply_preset("slurm").policy
    assert found["requirements_by_stage.launch.env_smoke"] is False
    assert found["agent_runner.edit_scope.mode"] == "iteration_plus_core"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "preset: slurm\n"),
        ("# only a comment", "# only a comment\npreset: slurm\n"),
        ("---\n", "---\npreset: slurm\n"),
        ("ledger: a.md", "ledger: a.md\npreset: slurm\n"),
        ("ledger: a.md\r\n# b\r\n", "ledger: a.md\r\n# b\r\npreset: slurm\r\n"),
        ("\ufeffledger: a.md\n", "\ufeffledger: a.md\npreset: slurm\n"),
        ("  ledger: a.md\n", "  ledger: a.md\n  preset: slurm\n"),
        ("# c\n--- # d\nledger: a.md\n...\n", "# c\n--- # d\npreset: slurm\nledger: a.md\n...\n"),
        ("{ledger: a.md} # e\n", "{preset: slurm, ledger: a.md} # e\n"),
        ("{}\n", "{preset: slurm}\n"),
        ("preset:\nledger: a.md\n", "preset: slurm\nledger: a.md\n"),
        ("preset: # which?\nledger: a.md\n", "preset: slurm # which?\nledger: a.md\n"),
        ("preset: null # none\n", "preset: slurm # none\n"),
        ("preset:    ~\n", "preset:    slurm\n"),
        ("{preset: , ledger: a.md}\n", "{preset: slurm , ledger: a.md}\n"),
        ("dry_run_command: |+\n  a\n\n\n", "dry_run_command: |+\n  a\n\n\npreset: slurm\n"),
        ('ledger: "a\n  b.md"', 'ledger: "a\n  b.md"\npreset: slurm\n'),
        (
            "agent_runner.edit_scope.core_dirs:\n- a\n- b # c\n",
            "agent_runner.edit_scope.core_dirs:\n- a\n- b # c\npreset: slurm\n",
        ),
    ],
)
def test_of_every_kind_of_file_all_else_stays(before: str, after: str, file: Path) -> None:
    file.write_bytes(before.encode())
    apply_preset("slurm")
    assert file.read_bytes().decode() == after


def test_a_second_time_nothing_is_written(file: Path) -> None:
    file.write_text(MINE)
    apply_preset("slurm")
    before = (file.read_bytes(), file.stat().st_ino, file.stat().st_mtime_ns)
    assert not apply_preset("slurm").changed
    assert (file.read_bytes(), file.stat().st_ino, file.stat().st_mtime_ns) == before


def test_where_there_is_no_file_one_is_made_with_comments(project: Path) -> None:
    done = apply_preset("slurm", project)
    text = (project / ".slurm/policy.yaml").read_text()
    assert done.made
    assert text == new_file("slurm")
    assert done.policy.own.keys() == {"preset"}
    assert text.count("# ") > 10


def test_the_comments_of_a_new_file_are_true(project: Path) -> None:
    commented = [
        line for line in new_file("slurm").splitlines() if line.startswith("# ") and ": " in line
    ]
    lines = [line[2:] for line in commented if line[2:].split(":")[0] in load_policy().settings]
    uncommented = policy_of("preset: slurm\n" + "\n".join(lines), project / "p.yaml", project)
    assert uncommented.own.keys() == uncommented.settings.keys()
    plain = policy_of("preset: slurm", project / "p.yaml", project)
    assert all(uncommented[key] == plain[key] for key in plain.settings)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_the_files_mode_stays(mode: int, file: Path) -> None:
    file.write_text(MINE)
    file.chmod(mode)
    apply_preset("slurm")
    assert file.stat().st_mode & 0o7777 == mode


def test_a_link_stays_one(file: Path, project: Path) -> None:
    real = project / "shared policy.yaml"
    real.write_text(MINE)
    file.symlink_to("../shared policy.yaml")
    apply_preset("slurm")
    assert file.is_symlink()
    assert real.read_text() == MINE + "preset: slurm\n"


@pytest.mark.parametrize("text", ["a: [", "presett: x\n", "preset: other\n", "- a\n"])
def test_a_bad_file_is_refused_and_stays(text: str, file: Path) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError):
        apply_preset("slurm")
    assert file.read_text() == text


def test_a_project_that_cannot_be_written_is_one_line(project: Path) -> None:
    (project / ".slurm").write_text("a file, where a directory is needed")
    with pytest.raises(SlurmError, match=r"policy\.yaml cannot be written: "):
        apply_preset("slurm")


def test_a_full_disk_leaves_the_file_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(MINE)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SlurmError, match="cannot be written: No space left on device"):
        apply_preset("slurm")
    assert file.read_text() == MINE
    assert os.listdir(file.parent) == ["policy.yaml"]


def test_a_change_by_somebody_else_meanwhile_is_not_lost(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(MINE)
    original = policy_edit.with_preset

    def slowly(text: str, *rest: object) -> str:
        file.write_text("ledger: theirs.md\n")
        return original(text, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(policy_edit, "with_preset", slowly)
    with pytest.raises(SlurmError, match="changed by somebody else"):
        apply_preset("slurm")
    assert file.read_text() == "ledger: theirs.md\n"


def test_many_at_once_leave_one_line(file: Path) -> None:
    file.write_text(MINE)
    failures: list[BaseException] = []

    def apply() -> None:
        try:
            apply_preset("slurm")
        except SlurmError as error:  # who lost the race is told so
            failures.append(error)

    threads = [threading.Thread(target=apply) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.read_text() == MINE + "preset: slurm\n"
    assert all("somebody else" in str(failure) for failure in failures)
