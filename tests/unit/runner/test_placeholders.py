"""Results of other jobs, read on the node."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.helpers.recorded import RecordFile

from slurm.errors import DependencyFailed, ResultMissing
from slurm.job_dir.placeholder import JobResultPlaceholder
from slurm.job_dir.result import dump_envelope, value_envelope
from slurm.runner.placeholders import result_of, result_of_job


def test_a_result_that_becomes_visible_late_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_SDK_RESULT_GRACE", "600.0")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            (tmp_path / "result.pkl").write_bytes(dump_envelope(value_envelope("late", 1)))

    monkeypatch.setattr(time, "sleep", sleep)
    assert result_of_job(JobResultPlaceholder("5", str(tmp_path))) == "late"
    assert len(slept) == 3


def records_in(folder: Path, *files: RecordFile) -> Path:
    """The directory of an array that has left these."""
    (folder / "records").mkdir(exist_ok=True)
    for file in files:
        (folder / "records" / file.name).write_bytes(file.content)
    return folder


def test_items_of_a_pack_are_read_from_their_records(tmp_path: Path) -> None:
    file = RecordFile("5_0").value(0, "first").error(1, ValueError("unlucky")).elsewhere(2)
    array = records_in(tmp_path, file, RecordFile("5_1").value(3, "fourth"))
    large = tmp_path / "tasks" / "002"
    large.mkdir(parents=True)
    (large / "result.pkl").write_bytes(dump_envelope(value_envelope("large", 1)))
    items = [JobResultPlaceholder(f"5_{n // 3}", str(array / "tasks" / f"00{n}")) for n in range(4)]
    assert [result_of_job(items[n]) for n in (0, 2, 3)] == ["first", "large", "fourth"]
    with pytest.raises(DependencyFailed, match=r"job 5_0, which raised ValueError: unlucky"):
        result_of_job(items[1])
    with pytest.raises(DependencyFailed, match=r"job 5\[1\], which raised"):
        result_of(JobResultPlaceholder("5", str(array), 4))


def test_a_record_that_becomes_visible_late_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_SDK_RESULT_GRACE", "600.0")
    file = RecordFile("5_0").value(0, "first")
    array = records_in(tmp_path, file)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            records_in(tmp_path, file.value(1, "late"))

    monkeypatch.setattr(time, "sleep", sleep)
    assert result_of(JobResultPlaceholder("5", str(array), 2)) == ["first", "late"]
    assert len(slept) == 3


def test_a_record_that_is_not_there_is_missing_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_SDK_RESULT_GRACE", "0")
    array = records_in(tmp_path, RecordFile("5_0").value(0, "first"))
    told = rf"job 5_0, and the record of item 1 in {array}/records is not there, .* result_grace"
    with pytest.raises(ResultMissing, match=told):
        result_of_job(JobResultPlaceholder("5_0", str(array / "tasks" / "001")))


def test_one_that_does_not_is_missing_and_names_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_SDK_RESULT_GRACE", "0")
    told = rf"job 5, and {tmp_path}/result\.pkl is not there, .* within 0 s: .* result_grace"
    with pytest.raises(ResultMissing, match=told):
        result_of_job(JobResultPlaceholder("5", str(tmp_path)))
