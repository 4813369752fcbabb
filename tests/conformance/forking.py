"""Functions run in a forked child of the test's own process, which has all that the test has."""

from __future__ import annotations

import os
import pickle
import select
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.conformance.waiting import PATIENCE

# Python 3.12 and newer say of every fork of a process with threads that it is dangerous: here is what it is like.
forks: pytest.MarkDecorator = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


class Child:
    """A forked child that runs `function`; `result` is what that returned."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._answers, answers = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._answers)
            _answer(function, answers)
        os.close(answers)

    def result(self) -> Any:
        """Waits for it. Fails where it raised, with its traceback, and where it does not end."""
        content = b""
        while True:
            if not select.select([self._answers], [], [], PATIENCE)[0]:
                os.kill(self.pid, signal.SIGKILL)
                pytest.fail("the child hangs")
            piece = os.read(self._answers, 1 << 16)
            if not piece:
                break
            content += piece
        self.end()
        kind, value = pickle.loads(content)  # noqa: S301 - the test's own
        if kind == "raised":
            pytest.fail(f"in the child: {value}")
        return value

    def end(self) -> None:
        """Have no child left."""
        if self.pid:
            os.close(self._answers)
            os.waitpid(self.pid, 0)
            self.pid = 0


@contextmanager
def forked(*functions: Callable[[], Any]) -> Iterator[list[Child]]:
    """A child for each of `functions`; none is left afterwards."""
    children: list[Child] = []
    try:
        children.extend(map(Child, functions))
        yield children
    finally:
        for child in children:
            if child.pid:
                os.kill(child.pid, signal.SIGKILL)
                child.end()


def in_child(function: Callable[[], Any]) -> Any:
    """What `function` returns in a forked child."""
    with forked(function) as [child]:
        return child.result()


def _answer(function: Callable[[], Any], answers: int) -> None:
    """Runs in the child, and does not come back."""
    try:
        try:
            answer: tuple[str, Any] = "returned", function()
        except BaseException:  # noqa: BLE001 - told in the parent
            answer = "raised", traceback.format_exc()
        with open(answers, "wb") as file:
            pickle.dump(answer, file)
    finally:
        os._exit(0)
