"""Tasks that end badly, or oddly. The file travels to clusters that have no such module."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from slurm import task


class Unpicklable(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = threading.Lock()


@task
def fail_unpicklably(message: str) -> None:
    raise Unpicklable(message)


@task
def leave(code: Any) -> None:
    sys.exit(code)


@task
def vanish(code: int) -> None:
    """End with no word to anybody."""
    print("last words", file=sys.stderr, flush=True)
    os._exit(code)


@task
def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@task
def return_a_lock() -> Any:
    return threading.Lock()


@task
def fork_and_come_back() -> str:
    child = os.fork()
    if child == 0:
        return "child"
    os.waitpid(child, 0)
    return "parent"
