"""Tasks of the conformance suite. The file travels to clusters that have no such module."""

from __future__ import annotations

import dataclasses
import enum
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from slurm import JobContext, task

PATIENCE = 120.0  # seconds until a job that waits for a test gives up


# --- values that travel ----------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclasses.dataclass(frozen=True)
class Box:
    """Holds anything, jobs too."""

    content: Any
    label: str = ""


class Plain:
    """An object of an ordinary class."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]


class Unlucky(Exception):
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message, code)
        self.code = code


class Unpicklable(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = threading.Lock()


# --- values in, values out -------------------------------------------------------------------------


@task
def add(left: int, right: int) -> int:
    return left + right


@task
def double(number: int) -> int:
    return 2 * number


@task
def echo(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return args, kwargs


@task
def every_kind(first: Any, /, second: Any, third: Any = 3, *, fourth: Any, fifth: Any = 5) -> Any:
    return first, second, third, fourth, fifth


@task
def awkward_names(self: Any, context: Any, ctx: Any, cluster: Any, args: Any, **task: Any) -> Any:
    return self, context, ctx, cluster, args, task


@task
def apply(function: Any, value: Any) -> Any:
    """Call what arrived: a function, or a task's function."""
    return getattr(function, "unwrapped", function)(value)


# --- what a job sees of itself ---------------------------------------------------------------------


@task
def describe(job: JobContext, folders: list[str], greeting: str = "hello") -> dict[str, Any]:
    print(greeting, "stdout")
    print(greeting, "stderr", file=sys.stderr)
    return {
        "context": job,
        "directory": str(Path.cwd()),
        "environment": {n: v for n, v in os.environ.items() if n.startswith(("SLURM_", "JOB_"))},
        "modes": {path: mode_of(path) for path in [*folders, str(job.job_dir)]},
        "python": sys.version_info[:2],
    }


def mode_of(path: str) -> int:
    return Path(path).stat().st_mode & 0o7777


# --- gates and marks -------------------------------------------------------------------------------


@task
def wait_for(gate: str, value: Any = None) -> Any:
    """Run until there is a file at `gate`."""
    Path(f"{gate}.started").touch()
    wait_for_file(gate)
    return value


def wait_for_file(path: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody made {path}")
        time.sleep(0.02)


@task
def step(folder: str, name: str, succeed: bool = True) -> list[str]:
    """Leave the mark `name` in `folder`; returns the marks that were there before."""
    seen = sorted(os.listdir(folder))
    (Path(folder) / name).touch()
    if not succeed:
        raise Unlucky(name, code=1)
    return seen


# --- bad endings -----------------------------------------------------------------------------------


@task
def fail(message: str, code: int = 0) -> int:
    print("about to fail", file=sys.stderr)
    raise Unlucky(message, code)


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


def twice(number: int) -> int:
    return 2 * number


@task
def never_submitted() -> None:
    """Its directory would tell."""


@task
def strangely_named() -> str:
    return "ran"


# A task is named after its function, which a decorator may have called anything.
strangely_named.unwrapped.__name__ = "../../.odd 'x' Name"
