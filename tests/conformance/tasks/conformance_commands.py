"""What jobs run that are looked at by commands."""

from __future__ import annotations

import os
import sys
import time

from slurm import JobContext, task

PATIENCE = 240.0


@task
def talk(gate: str) -> None:
    """Print something, and more when there is a file at `gate`."""
    print("before é", flush=True)
    print("an error", file=sys.stderr)
    deadline = time.monotonic() + PATIENCE
    while not os.path.exists(gate):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody made {gate}")
        time.sleep(0.02)
    print("after\nno end", end="", flush=True)


# What the first attempt has printed is gone when the second begins.
@task(requeue=True, open_mode="truncate")
def talk_twice(job: JobContext) -> None:
    """Ask to be requeued, once."""
    print("attempt", job.attempt, flush=True)
    if job.attempt == 1:
        job.requeue()


@task
def needs(path: str, value: int) -> int:
    """Fails as long as there is no file at `path`."""
    if not os.path.exists(path):
        raise FileNotFoundError(path)
    return value
