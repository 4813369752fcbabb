"""Tasks that live through faults; travels to the cluster. A gate is a file that somebody will make."""

from __future__ import annotations

import os
import time
from pathlib import Path

from slurm import JobContext, task, workflow


def pass_gate(gate: str, job_id: str) -> None:
    """Tell that this job runs, and wait at the gate."""
    Path(f"{gate}.{job_id}").touch()
    while not Path(gate).exists():
        time.sleep(0.05)


@task(time="00:10:00", mem="100M")
def keep(job: JobContext, gate: str, value: int) -> int:
    pass_gate(gate, job.job_id)
    return value


@task(time="00:10:00", mem="100M")
def refuse(job: JobContext, gate: str, value: int) -> int:
    """Return even numbers, and take no odd ones."""
    pass_gate(gate, f"{job.job_id}.{value}")
    if value % 2:
        raise ValueError(f"{value} is odd")
    return value


@task(time="00:02:00", mem="100M")
def double(number: int) -> int:
    return 2 * number


@workflow(time="00:10:00", mem="100M")
def family(gate: str) -> int:
    """Submit one child before the gate and one behind it."""
    first = keep(gate, 5)
    early: int = first.get_result()
    return double(first).get_result() + early


@task(time="00:10:00", mem="100M")
def attempt_of(job: JobContext, gate: str) -> tuple[int, str]:
    """In which attempt the job came to its end, and where."""
    if job.attempt == 1:
        pass_gate(gate, job.job_id)
    return job.attempt, os.environ["SLURMD_NODENAME"]


@task(time="00:02:00", mem="100M", requeue=True, signal="B:USR1@115")
def warned(job: JobContext, gate: str) -> int:
    """Warned as soon as Slurm looks; it comes back if it still runs half a minute before its limit."""
    while not job.should_stop:
        time.sleep(0.05)
    pass_gate(gate, job.job_id)
    return job.attempt


@task(time="00:10:00", mem="200M")
def bytes_of(job: JobContext, gate: str, size: int) -> bytes:
    pass_gate(gate, job.job_id)
    return bytes(size)
