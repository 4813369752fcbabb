"""People who share an experiment's directory: at once, one after the other, and as different users."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.helpers import many_people, two_users
from tests.helpers.told import told

pytestmark = pytest.mark.story


def test_whatever_they_type_at_once_each_run_is_one_job(tmp_path: Path) -> None:
    seen = told(many_people, tmp_path)
    for one in seen["said"]:
        assert one["status"] in (0, 1, 3, 4, 5, 7), one
        assert all(line.startswith("run_id=") for line in one["err"].splitlines()), one
        assert one["status"] != 1 or "the scheduler refused it" in one["out"], one
    runs = {one["run_id"]: one for one in seen["runs"]}
    assert len(runs) == len(seen["runs"]) == len(seen["entries"]) > many_people.ROUNDS
    ran = Counter(seen["ran"])
    assert set(ran.values()) == {1}
    assert set(ran) <= set(runs)
    assert {name for name, one in runs.items() if one["status"] == "completed"} <= set(ran)
    job_ids = [one["job_id"] for one in seen["runs"] if one["job_id"]]
    assert len(set(job_ids)) == len(job_ids)
    for line in seen["entries"]:
        said = dict(part.split("=") for part in line.split(" | ")[1:])
        run = runs.pop(said["run_id"])
        assert said["status"] == run["status"]
    verified = [line for said in seen["verified"] for line in said.splitlines()]
    assert [line for line in verified if line.startswith("FAIL")] == []


@pytest.fixture
def anywhere() -> Iterator[Path]:
    """A directory that every user may enter, as those of pytest are not."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be two other users")
@pytest.mark.parametrize("umask", ["022", "077"])
def test_one_user_finishes_what_another_one_began(anywhere: Path, umask: str) -> None:
    """In a directory that is their group's; what is made there is the group's, too, whatever their umask."""
    seen = told(two_users, anywhere, umask)
    assert [line.partition("status=")[2] for line in seen["second"][:2]] == [
        "synced: its artifacts are here; slurm run",
        "failed: job 2 is FAILED, its log: logs/slurm_2.out",
    ]
    assert "status=completed: its metrics are in metrics.json" in seen["again"][0]
    assert "job_id=3 status=submitted" in seen["third"]
    assert seen["statuses"] == ["completed", "failed", "completed"]
    assert seen["modes"] == ["0o660", "0o770"]
    [line] = seen["private"]
    assert line.endswith("/private/runs/20260218T160045Z/run_manifest.json: permission denied")
    assert seen["stranger"].endswith(f"{anywhere}/project: Permission denied")
