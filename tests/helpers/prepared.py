"""Runs job scripts quickly: in a process forked from a Python that has imported already what jobs import.

Bash works through the script up to its last line, which would start Python.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

SERVER = """
import gc, json, os, signal, socket, sys
sys.path[0] = sys.argv[1]
import cloudpickle, slurm.array_job, slurm.cluster, slurm.runner.execute, slurm.runtime, slurm.submit.prepare, slurm.workflow
gc.freeze()

def become(job, out, err):
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    for target, handle in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out), (2, err)):
        os.dup2(handle, target)
        os.close(handle)
    if job["deaf"]:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    sys.argv[:] = [sys.argv[1], *job["arguments"]]

with socket.socket(fileno=int(sys.argv[2])) as outputs:
    while request := sys.stdin.readline():
        _, handles, _, _ = socket.recv_fds(outputs, 1, 2)
        child = os.fork()
        if child == 0:
            outputs.close()
            become(json.loads(request), *handles)
            slurm.runner.main()
        for handle in handles:
            os.close(handle)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


class PreparedPython:
    """A Python with the SDK of a job base, which forks one job after the other."""

    def __init__(self, sdk: Path) -> None:
        self.outputs, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "-c", SERVER, str(sdk), str(theirs.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def run(
        self, script: Path, cwd: Path, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a job's script in `cwd`; one that does not end in a plain start of this Python, in bash alone."""
        *before, last = script.read_text().splitlines()
        if not last.startswith(f"exec {shlex.quote(sys.executable)} -u "):
            return _in_bash([str(script)], cwd, env)
        said = _in_bash(["-c", "\n".join([*before, "exec env -0"])], cwd, env).stdout
        exported = dict(one.split("=", 1) for one in said.split("\0") if one)
        job = {
            "arguments": [exported["JOB_DIR"], *shlex.split(last)[5:]],
            "cwd": str(cwd),
            "env": exported,
            "deaf": "trap '' USR1" in before,
        }
        return self._fork(job)

    def _fork(self, job: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        pipes = [os.pipe() for _ in range(2)]
        socket.send_fds(self.outputs, [b"."], [write for _, write in pipes])
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        for _, write in pipes:
            os.close(write)
        with ThreadPoolExecutor() as pool:
            out, err = pool.map(_text_from, [read for read, _ in pipes])
        return subprocess.CompletedProcess([], int(self.process.stdout.readline()), out, err)

    def close(self) -> None:
        self.outputs.close()
        self.process.kill()
        self.process.communicate()


def _text_from(handle: int) -> str:
    with open(handle, "rb") as pipe:
        return pipe.read().decode()


def _in_bash(
    arguments: list[str], cwd: Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", *arguments],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
