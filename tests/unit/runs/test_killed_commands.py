"""``slurm launch`` and ``slurm run`` die at any step of what they do, or may not write, and the next one finishes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.helpers import killed_commands
from tests.helpers import told as programs

pytestmark = pytest.mark.story

# Root may write everywhere; without these it may not.
AS_OTHERS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]
AS_OTHERS = AS_OTHERS if os.getuid() == 0 else []


def told(mode: str, folder: Path, *before: str) -> list[Any]:
    """Run a mode of the program."""
    found: list[Any] = programs.told(killed_commands, mode, folder, before=before)
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


def test_where_there_is_no_room_nothing_is_lost(tmp_path: Path) -> None:
    for one in told("full", tmp_path):
        for status, out, err in (one["launch"], one["run"]):
            assert status in (0, 1, 2, 3)
            assert len((out + err).splitlines()) == 1
            assert (status in (1, 2)) == ("file too large" in out + err)
        [run] = one["runs"]
        assert one["ran"] == [run["run_id"]]
        assert (run["status"], run["metrics"]) == ("completed", {"accuracy": 0.9})
        assert failures(one["verified"]) == []


def test_where_nothing_may_be_written_one_line_says_so(tmp_path: Path) -> None:
    *seen, last = told("closed", tmp_path, *AS_OTHERS)
    assert len(seen) == 4
    for one in seen:
        status, out, err = one["run"]
        assert (status, err) == (1, "")
        [line] = out.splitlines()
        assert one["place"] in line
    assert [run["status"] for run in last["runs"]] == ["completed"]
    assert len(last["ran"]) == len(last["entries"]) == 1
