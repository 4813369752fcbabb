"""Programs that the agent runs for a client, who may go at any moment."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import DEADLINE

from slurm.agent import programs
from slurm.agent.errors import AgentError
from slurm.agent.programs import Program, Programs


def test_a_program_that_is_just_starting_is_ended_with_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By whoever ends them: the process around may be gone before the program's own thread comes to it."""
    child: Any = programs.child_class()
    started, go_on = threading.Event(), threading.Event()
    children = []

    class Slow(child):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            children.append(self)
            started.set()
            assert go_on.wait(DEADLINE)

    monkeypatch.setattr(programs, "child_class", lambda: Slow)
    running = Programs()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(running.run, Program(["sleep", "600"], 600.0), b"")
        try:
            assert started.wait(DEADLINE)
            ending = pool.submit(running.end)
            assert not wait([ending], 0.2).done, "it waits until there is something to end"
            go_on.set()
            ending.result(DEADLINE)
            assert answer.result(DEADLINE)[0] == -signal.SIGKILL
        finally:
            go_on.set()
            for left in children:
                left.kill()


def test_when_the_client_is_gone_no_program_is_begun(tmp_path: Path) -> None:
    running = Programs()
    running.end()
    with pytest.raises(AgentError, match="given up before it began"):
        running.run(Program(["touch", str(tmp_path / "begun")], 600.0), b"")
    assert not (tmp_path / "begun").exists()
