"""The agent's walk through job directories: what it reads, what it leaves alone, and how far it goes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.helpers.noted import Noted, a_run, array, job

from slurm.agent.metadata_requests import LARGEST_METADATA
from slurm.api.slurm_cli import InProcessBackend

PLENTY = 1000


def test_all_metadata_files_come_in_one_answer(files: InProcessBackend, tmp_path: Path) -> None:
    noted = a_run()
    noted.ends("sweep/w/tasks/inner/e/tasks/count/f", {"items": "0", "status": "timeout"})
    noted.write(tmp_path)
    (tmp_path / "sweep/w/ended.jsonl").write_text("a user's")
    found = files.collect_metadata(str(tmp_path), PLENTY)
    assert dict(found.files) == noted.files
    assert (found.path, found.complete) == (str(tmp_path), True)


def test_what_a_job_keeps_in_its_directory_is_left_alone(
    files: InProcessBackend, tmp_path: Path
) -> None:
    noted = a_run()
    noted.write(tmp_path)
    for mine in ("sweep/w/shared/x", "sweep/w/tasks/prepare/a/data/y", ".sdk/slurm", ".events/1"):
        (tmp_path / mine).mkdir(parents=True)
        (tmp_path / mine / "metadata.json").write_text("{}")
    os.mkfifo(tmp_path / "sweep" / "metadata.json")
    assert files.collect_metadata(str(tmp_path), PLENTY).files.keys() == noted.files.keys()


def test_other_directories_are_looked_into_two_levels_deep(
    files: InProcessBackend, tmp_path: Path
) -> None:
    for folder in ("a", "a/b", "a/b/c"):
        (tmp_path / folder).mkdir()
    (tmp_path / "a/b/c/metadata.json").write_text("{}")
    assert not files.collect_metadata(str(tmp_path), PLENTY).files
    assert files.collect_metadata(str(tmp_path / "a"), PLENTY).files


def test_a_walk_ends_where_it_is_told_to(files: InProcessBackend, tmp_path: Path) -> None:
    noted = Noted()
    noted[""] = array("5", 20)
    for index in range(20):
        noted[f"tasks/{index:03}"] = job(f"5_{index}")
    noted.write(tmp_path)
    found = files.collect_metadata(str(tmp_path), 7)
    assert not found.complete
    assert sorted(found.files) == sorted(noted.files)[:6]


def test_a_file_that_is_too_large_is_read_in_part(files: InProcessBackend, tmp_path: Path) -> None:
    (tmp_path / "metadata.json").write_bytes(b" " * (LARGEST_METADATA + 1))
    found = files.collect_metadata(str(tmp_path), PLENTY)
    assert len(found.files["metadata.json"]) == LARGEST_METADATA


@pytest.mark.parametrize("path", ["", "/"])
def test_paths_may_start_at_home_and_end_with_a_slash(
    path: str, files: InProcessBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    a_run().write(tmp_path / "jobs")
    found = files.collect_metadata(f"~/jobs{path}", PLENTY)
    assert found.path == str(tmp_path / "jobs")
    assert len(found.files) == 12
