"""``slurm launch`` and ``slurm run`` die at any step of what they do to files and sockets, and the next one finishes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.helpers import killed_commands

# A step each, of real jobs.
pytestmark = pytest.mark.story


def told(mode: str, folder: Path) -> list[Any]:
    """Run a mode of the program."""
    program = [sys.executable, "-W", "error", killed_commands.__file__, mode, str(folder)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


def failures(verified: list[str]) -> list[str]:
    return [line for said in verified for line in said.splitlines() if "PASS" not in line]


def test_a_launch_that_died_is_one_job_at_last(tmp_path: Path) -> None:
    seen = told("launches", tmp_path)
    assert len(seen) > 40
    assert {one["died"] for one in seen} == {0, 1}
    for one in seen:
        [run] = one["runs"]
        assert one["ran"] == [run["run_id"]]
        assert (run["status"], run["outcome"]) == ("completed", "accepted")
        assert run["metrics"] == {"accuracy": 0.9}
        [line] = one["entries"]
        assert f"job_id={run['job_id']} " in line
        assert line.endswith("status=completed")
        assert set(one["said"]) <= {0, 3}
        assert one["again"] == 0
        assert failures(one["verified"]) == []


def test_a_run_that_died_is_finished_by_the_next_one(tmp_path: Path) -> None:
    seen = told("runs", tmp_path)
    assert len(seen) > 40
    assert {one["died"][0]["status"] for one in seen} >= {"submitted", "running", "completed"}
    for one in seen:
        done, failed = one["runs"]
        assert (done["status"], done["metrics"]) == ("completed", {"accuracy": 0.9})
        assert (failed["status"], failed["metrics"]) == ("failed", {"accuracy": None})
        assert len(failed["logs"]) == 1
        assert [line.rpartition("=")[2] for line in one["entries"]] == ["completed", "failed"]
        assert one["ran"] == [done["run_id"], failed["run_id"]]
        assert one["said"] in (0, 4)
        assert [line for line in failures(one["verified"]) if line.startswith("FAIL")] == []
