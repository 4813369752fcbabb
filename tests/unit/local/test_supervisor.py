"""The supervisor of a local job, when it is told to end the job before that has begun."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from slurm.local.launch import Launch
from slurm.local.supervisor import spawn

pytestmark = pytest.mark.local


def launch_in(folder: Path) -> Launch:
    return Launch(
        argv=("/bin/sleep", "600"),
        cwd=str(folder),
        environment={},
        stdin="/dev/null",
        stdout=str(folder / "out"),
        stderr="",
        append=False,
        umask=0o077,
        time_limit=None,
        warning=None,
        kill_wait=3.0,
        pid_file=str(folder / "pid"),
        status_file=str(folder / "status"),
    )


def test_a_job_that_is_cancelled_as_it_begins_hears_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is slow to lead a process group of its own, as on a busy machine; and it is not killed in the end."""
    setsid = os.setsid

    def slow_setsid() -> None:
        time.sleep(0.2)
        setsid()

    monkeypatch.setattr(os, "setsid", slow_setsid)
    lifeline, other_end = os.pipe()
    waiting, gate = os.pipe()
    supervisor = spawn(launch_in(tmp_path), other_end, waiting)
    os.kill(supervisor, signal.SIGTERM)
    os.write(gate, b"1")
    assert os.waitpid(supervisor, 0)[1] == 0
    for handle in (lifeline, other_end, waiting, gate):
        os.close(handle)
    status = json.loads((tmp_path / "status").read_text())
    assert (status["cause"], os.WTERMSIG(status["wait"])) == ("cancel", signal.SIGTERM)
