"""Tasks that are mapped with ``pack``. The file travels to clusters that have no such module."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from slurm import JobContext, current_job_context, task

PATIENCE = 600.0


def mark(folder: str, number: int) -> None:
    """An item that runs twice leaves two."""
    handle, _ = tempfile.mkstemp(prefix=f"{number}.", dir=folder)
    os.close(handle)


@task
def make(size: int) -> bytes:
    print("making", size)
    if size < 0:
        print("about to fail", file=sys.stderr)
        raise ValueError(f"{size} is below zero")
    return bytes(size)


@task
def place(name: str) -> tuple[str, str, bool]:
    """Where it runs, and its directory, and whether that is there; leaves a file of that name here."""
    Path(name).touch()
    return os.getcwd(), os.environ["JOB_DIR"], os.path.isdir(os.environ["JOB_DIR"])


@task
def place_of_job(name: str, job: JobContext) -> tuple[str, str, bool]:
    """The same, of one that takes its job."""
    assert str(job.job_dir) == os.environ["JOB_DIR"]
    found: tuple[str, str, bool] = place.unwrapped(name)
    return found


@task
def asked_place(name: str) -> tuple[str, str, bool]:
    """The same, of one that asks for its job later."""
    own = current_job_context()
    (own.shared_dir / name).touch()
    found: tuple[str, str, bool] = place.unwrapped(name)
    return found


@task(requeue=True)
def comes_back(number: int, folder: str) -> dict[str, Any]:
    """The third item goes back into the queue, once."""
    mark(folder, number)
    attempt = current_job_context().attempt
    if number == 2 and attempt == 1:
        current_job_context().requeue()
    return {"number": number, "attempt": attempt}


@task
def killed_at_two(number: int, folder: str) -> int:
    mark(folder, number)
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@task
def marks_in(folder: str) -> list[int]:
    return sorted(int(name.partition(".")[0]) for name in os.listdir(folder))


@task
def waits_at(number: int, gate: str) -> int:
    """The second waits for a file."""
    deadline = time.monotonic() + PATIENCE
    while number == 1 and not os.path.exists(gate):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return number
