"""In which order the runs of a task were submitted."""

from __future__ import annotations

import datetime
import json
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from slurm.job_dir.metadata import rfc3339
from slurm.job_dir.paths import directory_name, sanitised
from slurm.job_dir.runs import SubmissionClock, runs_of_task, submission_order, utc_moment


def leave(folder: Path, name: str, content: Any, file: str = "metadata.json") -> str:
    (folder / name).mkdir(parents=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name / file).write_text(text)
    return str(folder / name)


def test_each_submission_of_a_process_is_later_than_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SubmissionClock()
    first = clock.now()
    monkeypatch.setattr(time, "time", lambda: first - 3600.0)  # the clock is set back
    seen = [first]
    threads = [
        threading.Thread(target=lambda: seen.extend(clock.now() for _ in range(500)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({rfc3339(moment) for moment in seen}) == 2001
    assert max(seen) < first + 1


def test_runs_are_listed_by_the_moment_and_then_by_their_ids(tmp_path: Path) -> None:
    """Whatever their names and zones say, and whoever submitted them."""
    said = [  # oldest first
        ({"timestamp": "2025-10-26T02:59:59.999+02:00", "job_id": "20"}, "20251026_025959_ff"),
        ({"timestamp": "2025-10-26T01:00:00.000+00:00", "job_id": "9"}, "20251026_020000_aa"),
        ({"timestamp": "2025-10-26T01:00:00+00:00", "job_id": "10"}, "20251026_010000_00"),
        ({"timestamp": "2025-10-26T01:00:00.000001+00:00", "job_id": "8"}, "20251026_000000_00"),
    ]
    paths = [leave(tmp_path / "fit", name, content) for content, name in said]
    array = {"timestamp": "2025-10-26T01:00:01+00:00", "job_id": "11", "count": 3}
    paths.append(leave(tmp_path / "fit", "20251026_010001_aa", array, "array_metadata.json"))
    (tmp_path / "fit" / "a file").touch()
    runs = runs_of_task(str(tmp_path), "fit")
    assert [run.path for run in runs] == paths[::-1]
    assert [run.count for run in runs] == [3, None, None, None, None]


def test_damaged_metadata_leave_the_name_to_tell(tmp_path: Path) -> None:
    noted = {"timestamp": "2025-03-01T12:00:05+00:00", "job_id": "7"}
    paths = [
        leave(tmp_path / "fit", "20250301_120004_aa", '{"timest'),
        leave(tmp_path / "fit", "20250301_080000_aa", noted),
        leave(tmp_path / "fit", "20250301_120006_aa", {"timestamp": "2025-03-01T09:00:00"}),
        leave(tmp_path / "fit", "20250301_120007_aa", ["no object"]),
    ]
    assert [run.path for run in runs_of_task(str(tmp_path), "fit")] == paths[::-1]


def test_there_may_be_no_runs(tmp_path: Path) -> None:
    (tmp_path / "a_file").touch()
    assert runs_of_task(str(tmp_path), "fit") == runs_of_task(str(tmp_path), "a_file") == []


@pytest.mark.parametrize(
    ("name", "other"), [("Fit", "fit"), ("训练", "评估"), ("my.task", "my_task")]
)
def test_directories_that_names_once_shared_still_have_the_runs_of_each(
    name: str, other: str, tmp_path: Path
) -> None:
    shared = tmp_path / sanitised(name)
    old = leave(shared, "20250301_120004_aa", {"task_name": name})
    others = leave(shared, "20250301_120005_aa", {"task_name": other})
    new = leave(tmp_path / directory_name(name), "20250301_120006_aa", {"task_name": name})
    assert [run.path for run in runs_of_task(str(tmp_path), name)] == [new, old]
    assert [run.path for run in runs_of_task(str(tmp_path), other)] == [others]


def test_order_does_not_depend_on_the_order_of_files() -> None:
    noon = utc_moment("2025-03-01T12:00:00+00:00")
    assert noon is not None
    later = noon + datetime.timedelta(microseconds=1)
    runs = [
        (noon, "9", "b"),
        (noon, "10", "a"),
        (noon, "10_2", "a"),
        (noon, "10_10", "a"),
        (later, "1", "a"),
    ]
    mixed = random.Random(0).sample(runs, len(runs))
    assert sorted(mixed, key=lambda run: submission_order(*run)) == runs
