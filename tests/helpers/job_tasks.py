"""What jobs of the tests run. Here and not beside the tests, whose modules would have every job import pytest."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from slurm import JobContext, task, workflow


@task
def add(left: int, right: int) -> int:
    return left + right


@task
def family(mark: str) -> None:
    """A child that nobody waits for, and then a long sleep."""
    child = subprocess.Popen(["sleep", "600"])
    Path(mark).write_text(str(child.pid))
    time.sleep(600)


@task
def read(fifo: str) -> str:
    return Path(fifo).read_text()


@workflow
def without_context(number: int) -> int:
    result: int = add(number, 1).get_result()
    return result


@task
def fail_without_stderr(how: str) -> None:
    if how == "closed":
        sys.stderr.close()
    elif how == "gone":
        os.close(2)
    else:
        setattr(sys, "stderr", object())  # noqa: B010 - a checker would not allow it
    raise ValueError("the reason")


@task
def paint(text: bytes) -> None:
    os.write(1, text)


@task
def describe(number: int, job: JobContext) -> tuple[int, str, str]:
    print("item", number)
    Path("own").write_text(str(number))
    if number == 13:
        raise ValueError("unlucky")
    return number * number, job.job_id, job.job_dir.name


# No tasks yet; each says when it is ready for a signal.


def stops(job: JobContext) -> str:
    print("ready")
    while not job.should_stop:
        time.sleep(0.005)
    return f"stopped in attempt {job.attempt}"


def is_told(job: JobContext) -> bool:
    return job.should_stop


def asks(job: JobContext) -> None:
    print("ready")
    while not job.should_stop:
        time.sleep(0.005)
    try:
        job.requeue()
    finally:
        print("saved")


def goes_on(job: JobContext) -> str:
    print("ready")
    notice = Path(job.job_dir, "go")
    while not notice.exists():
        time.sleep(0.005)
    return "done"


# --- for jobs that are submitted again -----------------------------------------------------------


@task
def fail_unless(mark: str) -> str:
    """Fails as long as there is no file at `mark`."""
    if not Path(mark).exists():
        raise FileNotFoundError(mark)
    return "well"


@task
def unlucky(number: int, mark: str) -> int:
    """Odd numbers fail as long as there is no file at `mark`."""
    if number % 2 and not Path(mark).exists():
        raise ValueError(number)
    return number
