"""A program that submits with a `RunTracker` dies at any step of what it does to files, or cannot write."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.helpers import killed_trackers
from tests.helpers.told import told

pytestmark = pytest.mark.story

# Root may write everywhere; without these it may not.
AS_OTHERS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]
AS_OTHERS = AS_OTHERS if os.getuid() == 0 else []


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """For each step: what a program left that died at it, what there was after the next one, and how that ended."""
    said = run("steps", tmp_path_factory.mktemp("trackers"))
    assert said["status"] == 0
    return said["seen"]


def run(mode: str, folder: Path, *before: str) -> Any:
    """Run a mode of the program."""
    return told(killed_trackers, mode, folder, before=before)


def test_no_job_is_without_a_run_that_finds_it(steps: Any) -> None:
    for died, _, _ in steps:
        assert died["jobs"] <= len(died["runs"]) <= 1
        for status, job_id, submission in died["runs"]:
            assert (status, job_id) in (("pending", ""), ("submitted", "1"))
            assert set(submission) >= {"token", "job_dir", "script", "metadata", "id_key"}
    assert {(died["jobs"], len(died["runs"])) for died, _, _ in steps} == {(0, 0), (0, 1), (1, 1)}


def test_the_next_submission_with_its_key_goes_on_with_the_run(steps: Any) -> None:
    for _, after, status in steps:
        assert status == 0
        [[run_status, job_id, submission]] = after["runs"]
        assert (run_status, job_id, submission["outcome"]) == ("submitted", "1", "accepted")
        assert (after["jobs"], after["entries"]) == (1, 1)


def test_a_program_dies_of_nothing_else(steps: Any) -> None:
    assert signal.SIGKILL not in [status for _, _, status in steps]
    assert len(steps) > 50


@pytest.mark.parametrize(
    ("mode", "problem"), [("read_only", "permission denied"), ("full", "file too large")]
)
def test_where_nothing_can_be_written_nothing_is_submitted(
    mode: str, problem: str, tmp_path: Path
) -> None:
    told = run(mode, tmp_path, *(AS_OTHERS if mode == "read_only" else []))
    assert told["error"].startswith(
        f"double was not submitted, for RunTracker does not let it pass: {tmp_path}/iter1/runs"
    )
    assert problem in told["error"]
    assert "\n" not in told["error"]
    assert (told["jobs"], told["runs"], told["made"]) == (0, [], [])
