"""``slurm launch`` dies at any step of what it does to files; ``slurm run`` goes on from what it left."""

from __future__ import annotations

from typing import Any

import pytest
from tests.helpers import killed_launches
from tests.helpers.told import told

pytestmark = pytest.mark.story


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """For each step: what a launch left that died at it, what there was after the next run, and how that ended."""
    folder = tmp_path_factory.mktemp("launches")
    said = told(killed_launches, folder)
    assert said["status"] == 0
    assert len(said["seen"]) > 50
    return said["seen"]


def test_the_next_run_finishes_what_a_killed_launch_began(steps: Any) -> None:
    assert [again for _, _, again in steps if again] == []
    for died, after, _ in steps:
        assert [run[1] for run in after["runs"]] == ["1"] * len(died["runs"])
        assert after["jobs"] == len(after["entries"]) == len(died["runs"])
        assert all("job_id=1 " in line for line in after["entries"])


def test_no_job_is_without_a_manifest(steps: Any) -> None:
    found = {
        (died["jobs"], len(died["runs"]), died["runs"][:1] == [["submitted", "1"]])
        for died, _, _ in steps
    }
    assert found == {(0, 0, False), (0, 1, False), (1, 1, False), (1, 1, True)}


def test_the_manifest_is_written_before_the_ledger(steps: Any) -> None:
    for died, _, _ in steps:
        for line in died["entries"]:
            [(status, job_id)] = died["runs"]
            assert f"job_id={job_id} " in line or (status, "job_id= " in line) == (
                "submitted",
                True,
            )
