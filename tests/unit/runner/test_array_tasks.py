"""Array tasks on the node: directories run as real processes, as a scheduler would run them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend
from tests.helpers.job_tasks import describe
from tests.helpers.prepared import PreparedPython
from tests.helpers.processes import environment_of_a_job

from slurm import Cluster
from slurm.job_dir.paths import SDK
from slurm.job_dir.result import load_envelope, open_envelope


class Array:
    """The directory of an array that was submitted to the fake backend; `run` runs one of its tasks."""

    def __init__(self, request: Any, python: PreparedPython) -> None:
        self.python = python
        self.path = Path(request.job_dir)
        self.script = self.path / request.script
        for name in request.directories:
            (self.path / name).mkdir(parents=True)
        for name, content in request.files.items():
            (self.path / name).write_bytes(content)

    def run(self, task: int) -> subprocess.CompletedProcess[str]:
        env = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": str(task)}
        return self.python.run(self.script, self.path, environment_of_a_job(env))

    def result(self, item: str) -> Any:
        return open_envelope(
            load_envelope((self.path / "tasks" / item / "result.pkl").read_bytes())
        )


@pytest.fixture
def mapped(
    fake_cluster: Cluster,
    backend: FakeBackend,
    sdk_directory: Path,
    prepared_python: PreparedPython,
) -> Any:
    base = Path(fake_cluster.job_base_dir)
    base.mkdir(parents=True)
    (base / SDK).symlink_to(sdk_directory)

    def submit(*args: Any, **options: Any) -> Any:
        fake_cluster.map(describe, *args, **options).submit()
        request = backend.requests[-1]
        return request if request.continues else Array(request, prepared_python)

    return submit


def test_a_task_runs_its_own_item_in_its_own_directory(mapped: Any) -> None:
    array = mapped([5, 6, 7])
    done = array.run(1)
    assert (done.returncode, done.stdout, done.stderr) == (0, "item 6\n", "")
    assert array.result("001") == (36, "12_1", "001")
    metadata = json.loads((array.path / "tasks" / "001" / "metadata.json").read_text())
    assert (metadata["job_id"], metadata["status"], metadata["array_index"]) == (
        "12_1",
        "completed",
        1,
    )
    assert (metadata["task_name"], metadata["parent_workflow"]) == ("describe", None)
    assert (array.path / "tasks" / "001" / "own").read_text() == "6"
    assert "count" not in metadata
    assert not (array.path / "tasks" / "000" / "result.pkl").exists()


def test_a_pack_runs_on_after_a_failure_and_does_not_repeat_itself(mapped: Any) -> None:
    array = mapped([1, 13, 3, 4], pack=3)
    done = array.run(0)
    assert (done.returncode, done.stdout) == (1, "item 1\nitem 13\nitem 3\n")
    assert array.result("002")[0] == 9
    with pytest.raises(ValueError, match="unlucky"):
        array.result("001")
    assert array.run(0).stdout == ""


def test_the_second_of_several_submissions_goes_on_counting(
    mapped: Any, backend: FakeBackend, prepared_python: PreparedPython
) -> None:
    backend.max_array_size = 2
    mapped([1, 2, 3])  # pieces hold a power of ten: one item each
    array, third = Array(backend.requests[0], prepared_python), backend.requests[2]
    array.script = array.path / third.script
    array.script.write_bytes(third.files[third.script])
    assert array.run(0).returncode == 0
    assert array.result("002")[:2] == (9, "12_0")


def test_an_item_whose_file_is_gone_says_so(mapped: Any) -> None:
    array = mapped([1])
    (array.path / "items.pkl").unlink()
    assert array.run(0).returncode == 1
    with pytest.raises(FileNotFoundError, match="items"):
        array.result("000")
