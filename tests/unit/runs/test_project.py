"""Where a project begins, and which iteration a directory is in."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurm.runs.project import iteration_of, project_root


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


@pytest.mark.parametrize("mark", [".slurm/", "docs/slurm_job_list.md", ".git/", ".git"])
def test_each_mark_makes_a_root(mark: str, tmp_path: Path) -> None:
    make(tmp_path, f"a/{mark}", "a/b/c/")
    assert project_root(tmp_path / "a/b/c") == tmp_path / "a"
    assert project_root(tmp_path / "a") == tmp_path / "a"


def test_the_nearest_one_counts(tmp_path: Path) -> None:
    make(tmp_path, ".git/", "a/.slurm/", "a/b/")
    assert project_root(tmp_path / "a/b") == tmp_path / "a"


def test_a_file_that_is_called_like_a_folder_is_no_mark(tmp_path: Path) -> None:
    make(tmp_path, ".git/", "a/.slurm", "a/docs/slurm_job_list.md/", "a/b/")
    assert project_root(tmp_path / "a/b") == tmp_path


def test_slurms_own_folder_in_a_home_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    make(tmp_path, ".slurm/defaults", "a/")
    assert project_root(tmp_path / "a") == tmp_path / "a"
    make(tmp_path, ".slurm/policy.yaml")
    assert project_root(tmp_path / "a") == tmp_path


def test_the_working_directory_is_where_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, ".git/", "a/")
    monkeypatch.chdir(tmp_path / "a")
    assert project_root() == tmp_path


def test_an_iteration_has_a_design_or_runs(tmp_path: Path) -> None:
    make(tmp_path, "p/i/design.yaml", "p/j/runs/1/", "p/k/")
    assert iteration_of(tmp_path / "p/i", tmp_path) == tmp_path / "p/i"
    assert iteration_of(tmp_path / "p/j/runs/1", tmp_path) == tmp_path / "p/j"
    assert iteration_of(tmp_path / "p/k", tmp_path) is None


def test_an_iteration_is_one_of_the_project(tmp_path: Path) -> None:
    make(tmp_path, "runs/", "project/a/")
    assert iteration_of(tmp_path / "project/a", tmp_path / "project") is None
