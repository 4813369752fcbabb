"""What is tried again for ever, and how often."""

from __future__ import annotations

import logging

import pytest

from slurm.errors import AuthenticationFailed, SchedulerUnreachable, SlurmError
from slurm.tracking.retries import REFUSED_PAUSE, Retries


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Step:
    """What is tried: raises `error` while there is one."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.tried = 0

    def __call__(self) -> None:
        self.tried += 1
        if self.error is not None:
            raise self.error


def test_a_login_that_is_refused_is_tried_rarely_and_for_ever() -> None:
    """The user may log in meanwhile; a site may lock out who tries too often."""
    clock = Clock()
    attempts = Retries(1.0, 15.0, clock=clock)
    looking, listening = Step(AuthenticationFailed("login: Permission denied")), Step()
    for _ in range(100):
        assert attempts.attempt("poll", looking) == REFUSED_PAUSE
        clock.now += 20
        assert attempts.attempt("listen", listening) == REFUSED_PAUSE - 20, (
            "it needs the same login"
        )
        assert attempts.attempt("poll", looking) == REFUSED_PAUSE - 20, "woken up too soon"
        clock.now += 40
    assert (looking.tried, listening.tried) == (100, 0)
    looking.error = None
    assert attempts.attempt("poll", looking) == attempts.attempt("listen", listening) == 0.0


def test_an_outage_is_told_once_whatever_it_concerns(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "slurm")
    attempts = Retries(1.0, 15.0)
    looking = Step(SchedulerUnreachable("no answer"))
    listening = Step(SlurmError("no connection"))
    for _ in range(3):
        attempts.attempt("poll", looking)
        attempts.attempt("listen", listening)
    assert [record.getMessage() for record in caplog.records] == [
        "cannot see the jobs right now, trying again: no answer"
    ]
    looking.error = listening.error = None
    attempts.attempt("poll", looking)
    attempts.attempt("listen", listening)
    attempts.attempt("poll", Step(SchedulerUnreachable("gone again")))
    assert caplog.messages[1:] == ["cannot see the jobs right now, trying again: gone again"]


def test_a_bug_is_told_every_time_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    attempts = Retries(1.0, 15.0)
    assert attempts.attempt("poll", Step(ValueError("a bug"))) == 15.0
    assert attempts.attempt("poll", Step(ValueError("a bug"))) == 15.0
    assert len(caplog.records) == 2
    assert attempts.attempt("poll", Step()) == 0.0
