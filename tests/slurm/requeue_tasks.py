"""A task that comes back; travels to the cluster."""

from __future__ import annotations

import time
from pathlib import Path

from slurm import JobContext, task


@task(time="00:05:00", mem="100M", requeue=True)
def waits_in_the_first_attempt(job: JobContext, mark: str) -> int:
    if job.attempt == 1:
        Path(mark).touch()
        while not job.should_stop:
            time.sleep(0.1)
        time.sleep(600)
    return job.attempt
