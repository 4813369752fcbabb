"""``slurm shell`` on the cluster: a terminal here, a shell beside the job there."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from tests.conformance.waiting import PATIENCE, wait_until

import cluster_tasks as tasks
from slurm import Cluster
from slurm.testing import DockerCluster


def test_a_shell_runs_beside_the_job_in_its_directory(
    ssh: Cluster, slurm_cluster: DockerCluster, workdir: str, tmp_path: Path
) -> None:
    job = tasks.wait_for(f"{workdir}/gate")
    wait_until(lambda: job.get_status() == "RUNNING", "it runs")
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "slurm.cli", "shell", job.id]
    shell = subprocess.Popen(
        [*argv, "--slurmfile", str(slurm_cluster.slurmfile)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        cwd=tmp_path,
    )
    os.close(theirs)
    os.write(ours, b'echo "[$SLURM_JOB_ID] [$PWD]"; tty && echo "is a "terminal; exit 7\n')
    said = _read(ours)
    assert shell.wait(PATIENCE) == 7
    assert f"[{job.id}] [{job.job_dir}]" in said
    assert "is a terminal" in said
    job.cancel()
    assert job.wait(PATIENCE)


def _read(terminal: int) -> str:
    """All that comes until the other end is closed."""
    parts = []
    try:
        while part := os.read(terminal, 4096):
            parts.append(part)
    except OSError:  # what Linux says at the end of a terminal
        pass
    os.close(terminal)
    return b"".join(parts).decode("utf-8", "replace")
