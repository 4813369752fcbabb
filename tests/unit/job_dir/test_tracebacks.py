"""Whose frames are shown: the user's, and the SDK's only where it is at fault itself."""

from __future__ import annotations

import sys
import traceback
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend

import slurm
from slurm import Cluster, Job
from slurm.errors import SlurmError
from slurm.job_dir.remote_exceptions import frames_in, traceback_of
from slurm.job_dir.result import load_envelope
from slurm.job_dir.tracebacks import OURS, UsersFrames, users_frames
from slurm.results.outcome import Outcomes
from slurm.tracking.record import JobRecord

DEADLINE = 60.0


def frames_of_ours(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [frame.name for frame in frames if frame.filename.startswith(OURS)]


def test_ctrl_c_in_a_wait_shows_where_the_program_waited(
    job: Job[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(record: JobRecord, timeout: float | None) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(JobRecord, "wait", pressed)
    with pytest.raises(KeyboardInterrupt) as raised:
        job.get_result(DEADLINE)
    assert sys.version_info < (3, 11) or frames_of_ours(raised.value) == []


def test_an_error_of_the_sdks_own_making_keeps_its_frames(
    job: Job[Any], backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> Any:
        raise AttributeError("a bug")

    backend.finish(job, 1)
    monkeypatch.setattr(Outcomes, "of", broken)
    with pytest.raises(AttributeError, match="a bug") as raised:
        job.get_result(DEADLINE)
    assert "get_result" in frames_of_ours(raised.value)


def test_an_exception_that_is_raised_again_and_again_shows_one_place_each_time(
    job: Job[Any], backend: FakeBackend
) -> None:
    backend.finish(job, ValueError("bad"))
    for _ in range(3):
        with pytest.raises(ValueError, match="bad") as raised:
            job.get_result(DEADLINE)
        here = [
            f for f in traceback.extract_tb(raised.value.__traceback__) if f.filename == __file__
        ]
        assert len(here) == 1


def test_a_users_function_that_the_sdk_calls_keeps_its_frames() -> None:
    def numbers() -> Any:
        yield 1
        raise TypeError("of my own")

    with pytest.raises(TypeError, match="of my own") as raised, Cluster("local"):
        slurm.task(print).map(numbers())
    names = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert "numbers" in names
    assert sys.version_info < (3, 11) or frames_of_ours(raised.value) == []


def test_an_error_that_is_expected_keeps_no_frames_of_what_found_it() -> None:
    def wrong() -> None:
        with UsersFrames():
            raise SlurmError("wrong")

    with pytest.raises(SlurmError, match="wrong") as raised:
        wrong()
    assert sys.version_info < (3, 11) or [
        frame.name for frame in traceback.extract_tb(raised.value.__traceback__)
    ] == ["test_an_error_that_is_expected_keeps_no_frames_of_what_found_it"]


def test_on_a_node_a_bug_of_the_sdks_is_told_in_full() -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever it is
        load_envelope(None)  # type: ignore[arg-type]
    trace = raised.value.__traceback__
    assert trace is not None
    bug = raised.value.with_traceback(trace.tb_next)  # the runner's frames, and none of a user
    assert users_frames(bug.__traceback__) is None
    assert "result.py" in traceback_of(bug)


@pytest.mark.parametrize(
    ("text", "name", "message", "frames"),
    [
        ("T:\n  f\nValueError: a\nb\n", "builtins.ValueError", "a\nb", "T:\n  f\n"),
        ("T:\n  f\nmine.Outer.Bad: x\n", "mine.Outer.Bad", "x", "T:\n  f\n"),
        ("T:\n  f\nOuter.Bad: x\n", "__main__.Outer.Bad", "x", "T:\n  f\n"),
        ("T:\n  f\nAssertionError\n", "builtins.AssertionError", "", "T:\n  f\n"),
        ("ValueError: a\n", "builtins.ValueError", "a", ""),
        ("  | ExceptionGroup: a\n", "builtins.ExceptionGroup", "a", "  | ExceptionGroup: a\n"),
    ],
)
def test_what_the_exception_says_itself_is_left_out(
    text: str, name: str, message: str, frames: str
) -> None:
    assert frames_in(text, name, message).strip() == frames.strip()
