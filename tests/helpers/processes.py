"""Running Python, and job directories, as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.helpers.prepared import PreparedPython

from slurm.api.requests import JobRequest
from slurm.job_dir.result import load_envelope, open_envelope


class JobRun:
    """A job directory that was run as a process, as a scheduler would."""

    def __init__(self, request: JobRequest, done: subprocess.CompletedProcess[str]) -> None:
        self.directory = Path(request.job_dir)
        self.request = request
        self.code = done.returncode
        self.stdout = done.stdout
        self.stderr = done.stderr


def execute(
    request: JobRequest, env: Mapping[str, str], python: PreparedPython
) -> subprocess.CompletedProcess[str]:
    """Write a request's files and run its script inside an imitated job."""
    directory = Path(request.job_dir)
    directory.mkdir(parents=True)
    for name, content in request.files.items():
        (directory / name).write_bytes(content)
    for name, spool in request.large_files.items():
        (directory / name).write_bytes(spool.getvalue())
    return python.run(directory / request.script, directory, environment_of_a_job(env))


def environment_of_a_job(more: Mapping[str, str]) -> dict[str, str]:
    """What a scheduler would have a job see."""
    return {**os.environ, "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "job", **more}


def result_of(run: JobRun) -> Any:
    """What the client gets; raises what the client would."""
    content = (run.directory / "result.pkl").read_bytes()
    return open_envelope(load_envelope(content), job_id="7", job_dir=str(run.directory))


def metadata_of(run: JobRun) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run.directory / "metadata.json").read_text())
    return content


# What the fixtures of these names are.
RunJob = Callable[..., JobRun]
RunPython = Callable[..., "subprocess.CompletedProcess[str]"]
