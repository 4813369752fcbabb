"""Functions for the tests of containers; the file travels with the jobs."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from slurm import JobContext, task

MARK = Path("/etc/in-the-image")


def here() -> dict[str, Any]:
    """What tells a container from the node, and what of the node is to be seen in it."""
    return {
        "mark": MARK.read_text() if MARK.exists() else None,
        "python": list(sys.version_info[:2]),
        "user": os.getuid(),
        "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "given": os.environ.get("GIVEN"),
        "folder": os.getcwd(),
        "mounted": Path("/mnt/data").is_dir() and sorted(os.listdir("/mnt/data")),
    }


def look(job: JobContext) -> dict[str, Any]:
    (Path(job.job_dir) / "written").write_text("by the job")
    return here()


def fail(message: str) -> None:
    raise ValueError(message)


@task(time="00:03:00", mem="200M")
def double(value: int) -> tuple[int, str]:
    return 2 * value, MARK.read_text()


def both(value: int) -> list[Any]:
    """Jobs that are submitted from inside of a container."""
    jobs = [double(value), double(value + 1)]
    return [MARK.read_text(), *(job.get_result(200) for job in jobs)]


def wait_for_signal(gate: str) -> str:
    got: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, frame: got.append(number))
    Path(gate).write_text(str(os.getpid()))
    while not got:
        time.sleep(0.05)
    return signal.Signals(got[0]).name


def beat(file: str) -> None:
    """Write the time into a file until somebody ends this."""
    while True:
        Path(f"{file}.new").write_text(str(time.time()))
        os.rename(f"{file}.new", file)
        time.sleep(0.1)
