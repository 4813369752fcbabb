"""A fake scheduler that several processes share: it notes submissions in a file and runs nothing.

As a program it makes one submission in a process of its own, which is killed where a test says:
``python scheduler_on_disk.py BASE REQUEST DIE``.
"""

from __future__ import annotations

import fcntl
import json
import os
import pickle
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from slurm.agent.agent import Agent
from slurm.agent.errors import AgentError
from slurm.api.requests import Archive, JobRequest, Submitted
from slurm.api.slurm_cli import InProcessBackend


class SchedulerOnDisk:
    """Takes the place of `SlurmCommands`.

    `die` kills this process with SIGKILL ``before`` or ``after`` the submission is noted; `answer`
    is raised in place of an answer, after it was noted. `latest_job` and `search_pauses` are those of
    `SlurmCommands`.
    """

    latest_job = 0.0
    search_pauses: tuple[float, ...] = ()

    def __init__(self, path: Path, *, die: str = "", answer: AgentError | None = None) -> None:
        self.path = path
        self.die = die
        self.answer = answer
        self.lookup_error: AgentError | None = None
        self.forgets = False

    def submit(self, **call: Any) -> str:
        if self.die == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.answer is not None and self.answer.kind == "refused":
            raise self.answer
        job_id = self._note(call)
        if self.die == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.answer is not None:
            raise self.answer
        return job_id

    def find_submission(self, token: str, script: str, asked_at: float) -> str | None:
        if self.lookup_error is not None:
            raise self.lookup_error
        found = [job["id"] for job in self.submissions() if job["token"] == token]
        return found[0] if found and not self.forgets else None

    def submissions(self) -> list[dict[str, Any]]:
        """Every call that asked for a job, in order."""
        text = self.path.read_text() if self.path.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def _note(self, call: dict[str, Any]) -> str:
        with self.path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            job_id = str(101 + len(file.readlines()))
            there = sorted(os.listdir(call["cwd"])) if Path(call["cwd"]).is_dir() else []
            file.write(json.dumps({**call, "id": job_id, "there": there}) + "\n")
        return job_id


class KilledAfterTheAnswer(Agent):
    """Is killed when its client has the answer, before the job is noted."""

    def call(
        self, op: str, params: dict[str, Any], blob: bytes = b"", later: ExitStack | None = None
    ) -> tuple[Any, bytes]:
        with ExitStack() as left:
            super().call(op, params, blob, left)
            os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("it lives")


def request_for(base: Path, name: str = "1", token: str = "aa11") -> JobRequest:
    return JobRequest(
        job_dir=str(base / "train" / name),
        files={
            "job.sh": b"#!/bin/bash\n",
            "payload.pkl": bytes(range(256)),
            "metadata.json": b"{}",
        },
        options={"mem": "1G"},
        submit_options={"comment": token},
        token=token,
    )


def in_another_process(base: Path, request: JobRequest, die: str = "") -> subprocess.Popen[str]:
    pickled = base.parent / f"request-{request.token}-{Path(request.job_dir).name}"
    pickled.write_bytes(pickle.dumps(request))
    return subprocess.Popen(
        [sys.executable, __file__, base, pickled, die],
        stdout=subprocess.PIPE,
        text=True,
    )


def killed(base: Path, request: JobRequest, die: str) -> None:
    """A client submits and is killed ``before``, or ``after``, the scheduler took the job, or when that was ``answered``."""
    process = in_another_process(base, request, die)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def submit(
    scheduler: Any, base: Path, *requests: JobRequest, kind: type[Agent] = Agent
) -> list[Submitted]:
    """Submit through an agent of this process."""
    backend = InProcessBackend(kind(scheduler))
    return backend.submit_jobs(
        requests, base=str(base), events=f"{base}/.events/me", archive=Archive(str(base.parent))
    )


if __name__ == "__main__":
    base = Path(sys.argv[1])
    wanted: JobRequest = pickle.loads(Path(sys.argv[2]).read_bytes())  # noqa: S301 - the test's own
    scheduler = SchedulerOnDisk(base.parent / "queue", die=sys.argv[3])
    kind = KilledAfterTheAnswer if sys.argv[3] == "answered" else Agent
    print(submit(scheduler, base, wanted, kind=kind)[0].job_id)
