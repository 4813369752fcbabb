"""Faults at every step of the agent: its system calls, counted, one of which goes wrong.

In process, for there are hundreds: a call raises in place of a kill, and from then on nothing that
the dead would do is done, but what a kernel does for them, which is to let go of their locks. Real
kills are in `test_agent_crashes` and on the dockerised cluster.
"""

from __future__ import annotations

import errno
import importlib
import os
import pkgutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from slurm import agent

MODULES = [
    importlib.import_module(f"{agent.__name__}.{found.name}")
    for found in pkgutil.iter_modules(agent.__path__)
]
STEPS = ("open", "fsync", "fchmod", "replace", "rename", "link", "unlink", "mkdir", "listdir")


class Killed(BaseException):
    """The process is dead."""


class Steps:
    """Counts steps, and has the one that is wanted go wrong: the process is ``killed`` before it, or it ``fails``.

    To be killed after one is to be killed before the next. Threads that were there before, as those of a cluster that
    other tests use, are no part of it.
    """

    def __init__(self, fault: str, number: int) -> None:
        self.fault = fault
        self.number = number
        self.taken = 0
        self.dead = False
        self._others = {*threading.enumerate()} - {threading.current_thread()}

    @property
    def happened(self) -> bool:
        """Whether there were as many steps."""
        return self.taken > self.number

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call as a step."""

        def step(*args: Any, **kwargs: Any) -> Any:
            if threading.current_thread() in self._others:
                return call(*args, **kwargs)
            if self.dead:
                raise Killed
            self.taken += 1
            if self.taken - 1 != self.number:
                return call(*args, **kwargs)
            if self.fault == "fails":
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(args[0]) if args else "")
            self.dead = True
            raise Killed

        return step


class Os:
    """The module `os` as the agent sees it."""

    def __init__(self, steps: Steps) -> None:
        for name in STEPS:
            setattr(self, name, steps.around(getattr(os, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


@contextmanager
def fault_at(number: int, fault: str, scheduler: Any) -> Iterator[Steps]:
    """While it lasts, step `number` of any agent in this process, or of `scheduler`, goes wrong."""
    steps = Steps(fault, number)
    with pytest.MonkeyPatch.context() as patch:
        for module in MODULES:
            if hasattr(module, "os"):
                patch.setattr(module, "os", Os(steps))
        if fault != "fails":  # it has errors of its own
            patch.setattr(scheduler, "submit", steps.around(scheduler.submit))
            patch.setattr(scheduler, "find_submission", steps.around(scheduler.find_submission))
        with suppress(Killed):
            yield steps


def every_step(
    fault: str, scheduler: Any, begin: Callable[[], Any], act: Callable[[], Any]
) -> Iterator[int]:
    """After `begin`, have `act` go wrong at one step after the other until there are no more; yields after each."""
    number = 0
    while True:
        begin()
        with fault_at(number, fault, scheduler) as steps:
            act()
        if not steps.happened:
            assert number > 0, "there was nothing to go wrong"
            return
        yield number
        number += 1
