"""Losing channels and making them again. The channels are fakes, which open, fail and break when a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from tests.helpers.fakes import DEADLINE

from slurm.api import connection
from slurm.api.connection import Connection, pause_before
from slurm.api.transport import Channel
from slurm.errors import AuthenticationFailed, HostKeyError, TransportError

LOST = TransportError("login: the connection was closed")


class FakeChannel:
    """One attempt to connect, which has become ``open`` or failed; it breaks when it is told to."""

    def __init__(self, failure: TransportError | None = None) -> None:
        self.failure = failure
        self.settled = threading.Event()
        self.has_opened = False
        self.answered = False
        self._waiters = threading.Semaphore(0)

    @property
    def alive(self) -> bool:
        return self.failure is None

    def open(self) -> None:
        self.has_opened = True
        self.settled.set()

    def fail(self, error: TransportError = LOST) -> None:
        self.failure = error
        self.settled.set()

    def close(self) -> None:
        self.fail(TransportError("it was closed"))

    def await_waiters(self, count: int) -> None:
        for _ in range(count):
            assert self._waiters.acquire(timeout=DEADLINE)

    def await_open(self, until: float) -> bool:
        self._waiters.release()
        assert self.settled.wait(DEADLINE)
        if self.failure is not None:
            raise self.failure
        return True

    def say(self, word: str) -> str:
        if self.failure is not None:
            raise self.failure
        self.answered = True
        return word


class Attempts:
    """Begins channels as a test has laid them out: what each is told as it begins."""

    def __init__(self, *plans: Callable[[FakeChannel], None]) -> None:
        self.plans = list(plans)
        self.made: list[FakeChannel] = []
        self.begun = threading.Condition()

    def __call__(self) -> Channel:
        channel = FakeChannel()
        with self.begun:
            self.made.append(channel)
            plan = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
            plan(channel)
            self.begun.notify_all()
        return cast(Channel, channel)

    def await_attempt(self, count: int) -> None:
        with self.begun:
            assert self.begun.wait_for(lambda: len(self.made) >= count, DEADLINE)


def opens(channel: FakeChannel) -> None:
    channel.open()


def fails(error: TransportError = LOST) -> Callable[[FakeChannel], None]:
    return lambda channel: channel.fail(error)


def later(channel: FakeChannel) -> None:
    """Neither, until the test says."""


def hello(channel: Any) -> str:
    word: str = channel.say("hello")
    return word


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "FIRST_PAUSE", 0.0)


def to(attempts: Attempts, reconnect_timeout: float = DEADLINE) -> Connection:
    return Connection(attempts, target="login", reconnect_timeout=reconnect_timeout)


def test_the_pauses_grow_to_half_a_minute_and_are_half_chance() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "FIRST_PAUSE", 0.5)
        pauses = [pause_before(attempt, lambda: 0.0) for attempt in range(12)]
    assert pauses[:4] == [0.0, 0.25, 0.5, 1.0]
    assert pauses[-1] == 15.0


def test_one_channel_serves_until_it_is_lost() -> None:
    attempts = Attempts(opens)
    link = to(attempts)
    assert [link.ask(hello) for _ in range(3)] == ["hello"] * 3
    assert len(attempts.made) == 1
    attempts.made[0].fail()
    assert link.ask(hello) == "hello"
    assert len(attempts.made) == 2


def test_a_question_that_loses_its_channel_is_put_to_the_next() -> None:
    attempts = Attempts(opens)
    link = to(attempts)
    asked: list[Any] = []

    def question(channel: Any) -> str:
        asked.append(channel)
        if len(asked) == 1:
            channel.fail()
        return hello(channel)

    assert link.ask(question) == "hello"
    assert asked == attempts.made


def test_a_first_connection_that_fails_is_an_error_at_once_and_tried_anew_when_asked_again() -> (
    None
):
    attempts = Attempts(fails(), opens)
    link = to(attempts)
    with pytest.raises(TransportError, match="closed"):
        link.ask(hello)
    assert len(attempts.made) == 1
    assert link.ask(hello) == "hello"


def test_one_that_was_lost_is_tried_again_until_it_is_there() -> None:
    attempts = Attempts(opens, fails(), fails(), fails(), opens)
    link = to(attempts)
    link.ask(hello)
    attempts.made[0].fail()
    assert link.ask(hello) == "hello"
    assert len(attempts.made) == 5


@pytest.mark.parametrize("error", [AuthenticationFailed("denied"), HostKeyError("changed")])
def test_a_refusal_at_a_reconnect_is_told_at_once(error: TransportError) -> None:
    attempts = Attempts(opens, fails(), fails(error), opens)
    link = to(attempts)
    link.ask(hello)
    attempts.made[0].fail()
    with pytest.raises(type(error)):
        link.ask(hello)
    assert link.ask(hello) == "hello", "the user has logged in meanwhile"


def test_patience_ends_and_says_how_long_it_was() -> None:
    attempts = Attempts(opens, fails())
    link = to(attempts, reconnect_timeout=0.02)
    link.ask(hello)
    attempts.made[0].fail()
    with pytest.raises(TransportError, match=r"closed .*trying again for 0 s was in vain"):
        link.ask(hello)


def test_a_question_that_every_channel_is_lost_by_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "MOST_LOSSES", 3)
    attempts = Attempts(opens)

    def poison(channel: Any) -> str:
        hello(channel)
        channel.fail()
        raise LOST

    with pytest.raises(TransportError):
        to(attempts).ask(poison)
    assert len(attempts.made) == 3


def test_an_answer_that_is_late_is_no_lost_connection() -> None:
    def late(channel: Any) -> str:
        raise TransportError("login did not answer 'read' within 120 s")

    attempts = Attempts(opens)
    with pytest.raises(TransportError, match="did not answer"):
        to(attempts).ask(late)
    assert len(attempts.made) == 1


def test_many_threads_wait_for_one_new_channel() -> None:
    attempts = Attempts(opens, later)
    link = to(attempts)
    link.ask(hello)
    attempts.made[0].fail()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(link.ask, hello) for _ in range(8)]
        attempts.await_attempt(2)
        attempts.made[1].open()
        assert [answer.result(DEADLINE) for answer in answers] == ["hello"] * 8
    assert len(attempts.made) == 2


def test_threads_that_wait_for_the_first_channel_share_its_failure() -> None:
    attempts = Attempts(later)
    link = to(attempts)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(link.ask, hello) for _ in range(8)]
        attempts.await_attempt(1)
        attempts.made[0].await_waiters(8)
        attempts.made[0].fail()
        assert [answer.exception(DEADLINE) for answer in answers] == [LOST] * 8
    assert len(attempts.made) == 1


@pytest.mark.parametrize("plan", [later, fails()], ids=["connecting", "between two attempts"])
def test_closing_tells_whoever_waits(
    plan: Callable[[FakeChannel], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "FIRST_PAUSE", 1000.0)
    monkeypatch.setattr(connection, "LONGEST_PAUSE", 1000.0)
    attempts = Attempts(opens, plan)
    link = to(attempts, reconnect_timeout=1000.0)
    link.ask(hello)
    attempts.made[0].fail()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(link.ask, hello)
        attempts.await_attempt(2)
        link.close()
        assert "closed" in str(waiting.exception(DEADLINE))
    with pytest.raises(TransportError, match="closed"):
        link.ask(hello)


def test_a_courtesy_makes_no_connection() -> None:
    attempts = Attempts(opens)
    link = to(attempts)
    assert link.current is None
    link.ask(hello)
    assert link.current is cast(Channel, attempts.made[0])


def test_a_courtesy_is_not_asked_of_a_channel_that_is_lost() -> None:
    attempts = Attempts(opens)
    link = to(attempts)
    link.ask(hello)
    attempts.made[0].fail()
    assert link.current is None
