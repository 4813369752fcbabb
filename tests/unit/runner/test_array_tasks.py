"""Array tasks on the node: directories run as real processes, as a scheduler would run them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend
from tests.helpers.job_tasks import describe


@pytest.fixture
def mapped(map_on_disk: Any) -> Any:
    return lambda *args, **options: map_on_disk(describe, *args, **options)


def test_a_task_runs_its_own_item_in_its_own_directory(mapped: Any) -> None:
    array = mapped([5, 6, 7])
    done = array.run(1)
    assert (done.returncode, done.stdout, done.stderr) == (0, "item 6\n", "")
    assert array.result("001") == (36, "12_1", "001")
    metadata = array.metadata("001")
    assert (metadata["job_id"], metadata["status"], metadata["array_index"]) == (
        "12_1",
        "completed",
        1,
    )
    assert (metadata["task_name"], metadata["parent_workflow"]) == ("describe", None)
    assert (array.path / "tasks" / "001" / "own").read_text() == "6"
    assert "count" not in metadata
    assert not (array.path / "tasks" / "000" / "result.pkl").exists()


def test_the_second_of_several_submissions_goes_on_counting(
    mapped: Any, backend: FakeBackend
) -> None:
    backend.max_array_size = 2
    array = mapped([1, 2, 3])  # pieces hold a power of ten: one item each
    third = backend.requests[2]
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
