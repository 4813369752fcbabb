"""Tasks that go back into the queue. The file travels to clusters that have no such module."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from slurm import JobContext, task

PATIENCE = 600.0


@task(requeue=True)
def comes_back(job: JobContext, attempts: int) -> dict[str, Any]:
    """Ask to be requeued until this is the last of so many attempts."""
    print("attempt", job.attempt)
    with Path("visits").open("a") as visits:
        visits.write(f"{job.job_id} ")
    if job.attempt < attempts:
        job.requeue()
    return {"attempt": job.attempt, "visits": Path("visits").read_text().split()}


@task(requeue=True)
def asks_when_told(job: JobContext, gate: str) -> None:
    Path(f"{gate}.started").touch()
    while not job.should_stop:
        time.sleep(0.02)
    job.requeue()


@task(requeue=True)
def ignores_its_warning_once(job: JobContext) -> list[str]:
    notes = Path("notes")
    if job.attempt == 1:
        notes.write_text(f"told {job.should_stop}\n")
        while not job.should_stop:
            time.sleep(0.02)
        with notes.open("a") as more:
            more.write(f"told {job.should_stop}\n")
        time.sleep(PATIENCE)
    return notes.read_text().splitlines()
