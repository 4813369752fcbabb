"""The agent as a server: it tells when it is alive, and nothing of it stays when its client is gone."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.channels import Open, shell
from tests.helpers.fakes import DEADLINE, assert_ended

from slurm.agent import server
from slurm.agent.agent import Agent
from slurm.agent.frames import read_frame, write_frame
from slurm.agent.server import Server
from slurm.errors import TransportError


class Clumsy(Agent):
    """An agent with a bug in two of its requests."""

    def op_submit(self, blob: bytes, **params: Any) -> Any:  # type: ignore[override]
        raise KeyError("job_dir")

    def op_hello(self, blob: bytes) -> Any:
        raise KeyError("user")


class Client:
    """A client of a server in this process."""

    def __init__(self, served: Agent) -> None:
        before = set(threading.enumerate())
        requests, answers = os.pipe(), os.pipe()
        self.requests = os.fdopen(requests[1], "wb")
        self.answers = os.fdopen(answers[0], "rb")
        self._ends = os.fdopen(requests[0], "rb"), os.fdopen(answers[1], "wb")
        threading.Thread(target=Server(served, *self._ends).serve).start()
        self._threads = set(threading.enumerate()) - before

    def ask(self, op: str) -> Any:
        write_frame(self.requests, {"id": 1, "op": op, "params": {}}, b"")
        return self.next()

    def next(self) -> Any:
        frame = read_frame(self.answers)
        assert frame is not None
        return frame[0]

    def leave(self) -> None:
        self.requests.close()
        assert_ended(self._threads)
        for end in (self.answers, *self._ends):
            end.close()


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client(Clumsy(object()))
    yield made
    made.leave()


def test_an_agent_that_has_nothing_to_say_is_heard_from_time_to_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that a connection to a laptop that was shut is found dead, and the agent ends."""
    monkeypatch.setattr(server, "BEAT", 0.01)
    client = Client(Agent(object()))
    assert [client.next() for _ in range(2)] == [{"id": -1, "result": None}] * 2
    client.leave()


class Slow(Agent):
    """An agent that takes its time to note a job whose submission it has answered."""

    def __init__(self) -> None:
        super().__init__(object())
        self.noting, self.noted = threading.Event(), threading.Event()

    def op_submit(self, blob: bytes, later: Any, **params: Any) -> Any:  # type: ignore[override]
        later.callback(self.noted.set)
        later.callback(self.noting.wait, DEADLINE)
        return {"jobs": []}, b""


def test_a_submission_is_answered_before_it_is_noted_and_what_is_asked_next_after_that() -> None:
    agent = Slow()
    client = Client(agent)
    assert client.ask("submit")["result"] == {"jobs": []}
    write_frame(client.requests, {"id": 2, "op": "ping", "params": {}}, b"")
    readable, _, _ = select.select([client.answers], [], [], 0.05)
    assert not readable
    assert not agent.noted.is_set()
    agent.noting.set()
    assert client.next()["id"] == 2
    assert agent.noted.is_set()
    client.leave()


def test_what_was_answered_is_noted_when_the_client_is_gone() -> None:
    agent = Slow()
    client = Client(agent)
    client.ask("submit")
    client.requests.close()
    agent.noting.set()
    assert agent.noted.wait(DEADLINE)
    client.leave()


def test_a_bug_in_a_submission_does_not_say_that_nothing_was_submitted(client: Client) -> None:
    assert client.ask("submit")["error"] == {"kind": "unknown", "message": "KeyError: 'job_dir'"}
    assert client.ask("hello")["error"]["kind"] == "agent"


@pytest.mark.local
def test_what_runs_for_a_client_that_is_gone_is_ended(channel_to: Open, tmp_path: Path) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    channel = channel_to(shell("cat | $AGENT"))
    argv = ["sh", "-c", 'exec 3> "$0"; echo begun >&3; sleep 600; true', str(held)]
    with ThreadPoolExecutor() as pool:
        params = {"argv": argv, "timeout": 600.0}
        running = pool.submit(channel.request, "run", params, b"", DEADLINE)
        with held.open() as program:
            assert program.readline() == "begun\n"
            channel.close()
            assert program.read() == "", "the end of a pipe that nobody holds any more"
        assert isinstance(running.exception(DEADLINE), TransportError)
