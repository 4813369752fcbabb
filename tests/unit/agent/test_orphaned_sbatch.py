"""An sbatch that goes on when the process that ran it was killed."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.fakes import Programs

from slurm.api.requests import Archive, JobRequest
from slurm.api.slurm_cli import SlurmCliBackend

pytestmark = pytest.mark.local

DEADLINE = 60.0
SUBMIT = """
import sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from tests.unit.agent.test_orphaned_sbatch import submit
submit(Path(sys.argv[1]))
"""


def submit(base: Path) -> str:
    request = JobRequest(
        job_dir=str(base / "train" / "1"),
        files={"job.sh": b"#!/bin/bash\n", "metadata.json": b"{}"},
        options={},
        submit_options={"comment": "token"},
        token="token",
    )
    backend = SlurmCliBackend()
    [answer] = backend.submit_jobs(
        [request], base=str(base), events=str(base / "events"), archive=Archive("")
    )
    if answer.error is not None:
        raise answer.error
    return answer.job_id


def test_whoever_asks_next_waits_for_it_and_finds_its_job(
    slurm: SlurmCliBackend, programs: Programs, tmp_path: Path
) -> None:
    gate = programs.folder / "gate"
    os.mkfifo(gate)
    programs.add(
        "sbatch", 'cat $HERE/gate; echo "7|PENDING|None||N/A|token" >> $HERE/queue; echo 7'
    )
    client = subprocess.Popen(
        [sys.executable, "-c", SUBMIT, str(tmp_path), str(Path(__file__).parents[3]), *sys.path]
    )
    wait_until(lambda: programs.calls("sbatch"), "sbatch is called")
    client.kill()
    client.wait()
    [lock] = (tmp_path / ".receipts").glob(".lock-???")  # the turn of a submission
    with lock.open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with ThreadPoolExecutor() as pool:
        again = pool.submit(submit, tmp_path)
        gate.write_text("")  # the orphan goes on, and the job is in the queue
        assert again.result(DEADLINE) == "7"
    assert len(programs.calls("sbatch")) == 1
