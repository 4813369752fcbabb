"""Tasks that come back; travels to the cluster."""

from __future__ import annotations

import time
from pathlib import Path

from slurm import JobContext, task


@task(time="00:05:00", mem="100M", requeue=True)
def comes_back(job: JobContext, attempts: int) -> dict[str, object]:
    """Ask to be requeued until this is the last of so many attempts."""
    print("attempt", job.attempt)
    done = job.job_dir / "done"
    done.write_text(done.read_text() + "x" if done.exists() else "x")
    if job.attempt < attempts:
        job.requeue()
    return {"id": job.job_id, "attempt": job.attempt, "done": done.read_text()}


@task(time="00:05:00", mem="100M", requeue=True)
def waits_in_the_first_attempt(job: JobContext, mark: str) -> int:
    if job.attempt == 1:
        Path(mark).touch()
        while not job.should_stop:
            time.sleep(0.1)
        time.sleep(600)
    return job.attempt


@task(time="00:01:00", mem="100M", requeue=True)
def ends_in_the_second_attempt(job: JobContext) -> list[str]:
    if job.attempt == 1:
        (job.job_dir / "notes").write_text(f"told {job.should_stop}\n")
        while not job.should_stop:
            time.sleep(0.1)
        with (job.job_dir / "notes").open("a") as notes:
            notes.write("told True\n")
        time.sleep(600)
    return (job.job_dir / "notes").read_text().splitlines()
