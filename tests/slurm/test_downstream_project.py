"""Somebody else's project and its tests, which use the plugin's options and fixtures; `tests/downstream` is one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.matrix]

DOWNSTREAM = Path(__file__).parents[1] / "downstream"
LABEL = "label=com.docker.compose.project"


def run_tests(project: Path, *options: str) -> str:
    """What pytest prints, of tests that pass."""
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*argv, *options], cwd=project, capture_output=True, text=True, timeout=800, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def containers(name: str) -> list[str]:
    argv = ["docker", "ps", "--all", "--quiet", "--filter", f"{LABEL}={name}"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()


def test_a_project_is_tested_on_a_cluster_of_its_shape_that_is_kept_and_taken_down(
    tmp_path: Path,
) -> None:
    project = tmp_path / "curves"
    shutil.copytree(DOWNSTREAM, project, ignore=shutil.ignore_patterns("__pycache__"))
    first = run_tests(project, "--slurm-keep")
    assert "was started. It stays: pytest --slurm-down ends it." in first
    folder, disturbed = sorted(
        (project / ".slurm-cluster").iterdir(), key=lambda one: len(one.name)
    )
    running = containers(folder.name)
    assert len(running) == 5
    # The next run finds it, is of the same shape, and leaves it.
    again = run_tests(project, "-k", "every_python")
    assert (
        "ran already, in the same shape: it is used again. It stays: pytest --slurm-down ends it."
        in again
    )
    assert containers(folder.name) == running
    changed = run_tests(project, "-k", "every_python", "--slurm-node", "c[1-2] gpus=0")
    assert "was made anew, for its shape has changed (nodes)." in changed
    assert set(containers(folder.name)).isdisjoint(running)
    said = run_tests(project, "--slurm-down")
    for one in (folder, disturbed):
        assert f"The cluster {one.name} is gone." in said
        assert containers(one.name) == []
    assert not (project / ".slurm-cluster").exists()
    assert "No cluster was kept for the tests in" in run_tests(project, "--slurm-down")
