"""LoggerCallback: one line for each hook, and where it goes."""

from __future__ import annotations

import logging
import pickle
import sys

import pytest

from slurm import JobState
from slurm.callbacks import (
    BaseCallback,
    CallbackContext,
    CompletedContext,
    ExecutionLocus,
    JobStatusUpdatedContext,
    LoggerCallback,
    PackagingBeginContext,
    PackagingEndContext,
    RunBeginContext,
    RunEndContext,
    SubmitBeginContext,
    SubmitEndContext,
)
from slurm.callbacks.contexts import time_of

RAN = {
    "started_at": time_of("2026-01-01T10:00:00+00:00"),
    "ended_at": time_of("2026-01-01T10:01:15+00:00"),
}
TOLD: list[tuple[str, CallbackContext, str]] = [
    (
        "begin_package",
        PackagingBeginContext("train", packaging="wheel"),
        "train: packaging (wheel)",
    ),
    ("end_package", PackagingEndContext("train", duration=2.5), "train: packaged in 2.50 s"),
    (
        "begin_submit_job",
        SubmitBeginContext("train", dependencies=("5", "6_1")),
        "train: submitting, after 5, 6_1",
    ),
    (
        "begin_submit_job",
        SubmitBeginContext("train", array_size=9),
        "train: submitting an array of 9",
    ),
    (
        "end_submit_job",
        SubmitEndContext("train", "7", duration=0.031),
        "train 7: submitted in 0.03 s",
    ),
    (
        "end_submit_job",
        SubmitEndContext("train", "7", reattached=True),
        "train 7: found again, submitted earlier",
    ),
    ("begin_run_job", RunBeginContext("train", "7", node="c1"), "train 7: running on c1"),
    ("begin_run_job", RunBeginContext("train", "7", attempt=2), "train 7: running, attempt 2"),
    ("end_run_job", RunEndContext("train", "7", duration=3700.4), "train 7: ran in 1:01:40"),
    (
        "end_run_job",
        RunEndContext("train", "7", duration=60, requeued=True),
        "train 7: goes back into the queue after 1:00",
    ),
    (
        "job_status_update",
        JobStatusUpdatedContext("train", "7", state=JobState.RUNNING, node="c1"),
        "train 7: PENDING -> RUNNING on c1",
    ),
    (
        "job_status_update",
        JobStatusUpdatedContext("train", "7", reason="Priority"),
        "train 7: still PENDING (Priority)",
    ),
    (
        "completed",
        CompletedContext("train", "7", node="c1", **RAN),  # type: ignore[arg-type]
        "train 7: COMPLETED after 1:15 on c1",
    ),
]
FAILED: list[tuple[str, CallbackContext, str]] = [
    (
        "end_package",
        PackagingEndContext("train", error=OSError("full")),
        "train: not packaged: OSError: full",
    ),
    (
        "end_submit_job",
        SubmitEndContext("train", error=ValueError()),
        "train: not submitted: ValueError",
    ),
    (
        "end_run_job",
        RunEndContext("train", "7", error=ValueError("bad\nvalue")),
        "train 7: raised: ValueError: bad",
    ),
    (
        "completed",
        CompletedContext("train", "7", state=JobState.TIMEOUT, error=TimeoutError("x" * 300)),
        "train 7: TIMEOUT: TimeoutError: " + "x" * 183 + "...",
    ),
]


def tell(callback: BaseCallback, hook: str, context: CallbackContext) -> None:
    getattr(callback, f"on_{hook}_ctx")(context)


@pytest.mark.parametrize(("hook", "context", "line"), TOLD)
def test_every_hook_is_one_line(
    hook: str, context: CallbackContext, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tell(LoggerCallback(level=logging.DEBUG), hook, context)
    assert caplog.record_tuples == [("slurm.callbacks", logging.DEBUG, line)]


@pytest.mark.parametrize(("hook", "context", "line"), FAILED)
def test_a_failure_is_one_line_and_an_error(
    hook: str, context: CallbackContext, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    tell(LoggerCallback("mine"), hook, context)
    assert caplog.record_tuples == [("mine", logging.ERROR, line)]


def test_lines_follow_the_level_of_the_logger(caplog: pytest.LogCaptureFixture) -> None:
    callback = LoggerCallback(logging.getLogger("mine"))
    tell(callback, *TOLD[0][:2])  # the root logger is at WARNING
    assert not caplog.records


def test_where_logging_is_not_set_up_lines_go_to_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    tell(LoggerCallback(), *TOLD[4][:2])
    said = capsys.readouterr().err
    assert said.endswith(" train 7: submitted in 0.03 s\n")
    assert len(said.split()[0]) == len("12:34:56")
    monkeypatch.setattr(sys, "stderr", None)
    tell(LoggerCallback(), *TOLD[4][:2])


def test_it_travels_unless_it_is_told_to_stay() -> None:
    data = pickle.dumps(LoggerCallback(logging.getLogger("mine"), level=5))
    callback = pickle.loads(data)  # noqa: S301 - our own, a moment old
    assert (callback.logger.name, callback.level, callback.locus) == ("mine", 5, "both")
    assert LoggerCallback(locus=ExecutionLocus.CLIENT).locus is ExecutionLocus.CLIENT
