"""A project to run things in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.helpers.run_project import RunProject

from slurm.api.local import LocalBackend


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunProject]:
    """One whose runs are jobs of a local scheduler of its own; the working directory is its iteration."""
    base = tmp_path / "jobs"
    project = RunProject(tmp_path / "it's mine", base)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(project.iteration)
    yield project
    if base.exists():
        LocalBackend(state_dir=str(base / ".local")).shutdown(kill_jobs=True)
