"""Results of other jobs, read on the node."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from slurm.errors import ResultMissing
from slurm.job_dir.arguments import JobResultPlaceholder
from slurm.job_dir.result import dump_envelope, value_envelope
from slurm.runner.placeholders import result_of_job


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


def test_one_that_does_not_is_missing_and_names_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_SDK_RESULT_GRACE", "0")
    told = rf"job 5, and {tmp_path}/result\.pkl is not there, .* within 0 s: .* result_grace"
    with pytest.raises(ResultMissing, match=told):
        result_of_job(JobResultPlaceholder("5", str(tmp_path)))
