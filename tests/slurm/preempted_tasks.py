"""A pipeline whose long step may be preempted; travels to the cluster."""

from __future__ import annotations

import time
from pathlib import Path

from slurm import JobContext, task

WHOLE_NODE = 2  # cpus


@task(time="00:05:00", mem="100M")
def prepare(value: int) -> int:
    return value


@task(time="00:05:00", mem="100M", cpus_per_task=WHOLE_NODE, requeue=True)
def train(job: JobContext, value: int, mark: str) -> list[int]:
    """Is at it for ever in the first attempt, and done at once in the second."""
    if job.attempt == 1:
        Path(mark).touch()
        while True:
            time.sleep(0.1)
    return [value, job.attempt]


@task(time="00:05:00", mem="100M")
def evaluate(trained: list[int]) -> dict[str, int]:
    return dict(zip(("value", "attempt"), trained))


@task(time="00:05:00", mem="100M", cpus_per_task=WHOLE_NODE)
def urgent() -> str:
    return "done"
