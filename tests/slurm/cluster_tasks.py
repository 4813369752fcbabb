"""Tasks for the tests on the real cluster, where no such module is: the file travels with the jobs."""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path

from slurm import JobContext, task


@task(time="00:02:00", mem="100M")
def add(left: int, right: int) -> int:
    return left + right


@task(time="00:02:00", mem="100M")
def same(value: str) -> str:
    return value


@task(time="00:02:00", mem="100M")
def fail(message: str) -> int:
    raise ValueError(message)


@task(time="00:05:00", mem="100M")
def sleep_in_a_child(seconds: float, mark: str) -> None:
    """Start a process that would outlive this one if nobody killed the group, and wait for it."""
    pid = os.fork()
    if pid == 0:
        Path(f"{mark}.part").write_text(str(os.getpid()))
        os.rename(f"{mark}.part", mark)
        time.sleep(seconds)
        os._exit(0)
    os.waitpid(pid, 0)


@task(time="00:02:00", mem="100M")
def where(job: JobContext) -> dict[str, str | None]:
    return {
        "job_id": job.job_id,
        "partition": job.partition,
        "job_dir": str(job.job_dir),
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "user": os.environ.get("USER"),
    }


@task(time="00:02:00", mem="100M")
def number_of(module: str) -> int:
    number: int = importlib.import_module(module).NUMBER
    return number


@task(time="00:02:00", mem="100M")
def fill_memory(megabytes: int) -> int:
    """Hold so much memory until somebody looks at it."""
    held = b"x" * (megabytes * 1_000_000)
    time.sleep(100)
    return len(held)


@task(time="00:05:00", mem="100M")
def wait_for(path: str) -> str:
    """Wait until there is a file."""
    while not Path(path).exists():
        time.sleep(0.1)
    return path
