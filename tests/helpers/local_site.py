"""A local scheduler for tests, with the files of its jobs, and gates that make jobs wait for a test."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.waiting import wait_until

from slurm.agent.errors import AgentError
from slurm.local.scheduler import LocalScheduler

DEADLINE = 60.0
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}


class Site:
    """A scheduler and a directory for its jobs' scripts and files."""

    def __init__(self, base: Path, **settings: Any) -> None:
        self.base = base
        self.state = base / "state"
        self.settings = settings
        self.scheduler = self.another_client()
        self.handles: list[int] = []
        self.count = 0

    def another_client(self) -> LocalScheduler:
        return LocalScheduler(str(self.state), **self.settings)

    def script(self, text: str) -> str:
        self.count += 1
        path = self.base / f"job{self.count}.sh"
        path.write_text(f"#!/bin/bash\n{text}\n")
        return str(path)

    def submit(
        self,
        text: str,
        *,
        after: str = "",
        token: str = "",
        orchestrator: bool = False,
        client: LocalScheduler | None = None,
        **options: str,
    ) -> str:
        script = self.script(text)
        return (client or self.scheduler).submit(
            script=script,
            cwd=str(self.base),
            options={name.replace("_", "-"): value for name, value in options.items()},
            submit_options={"dependency": after} if after else {},
            token=token or f"{self.base}-{self.count}",
            orchestrator=orchestrator,
        )

    def row(self, job_id: str) -> dict[str, Any]:
        (row,) = self.scheduler.query([job_id])
        return row

    def await_job(self, job_id: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + DEADLINE
        row = self.row(job_id)
        while not wanted(row):
            assert time.monotonic() < deadline, row
            time.sleep(0.01)
            row = self.row(job_id)
        return row

    def end_of(self, job_id: str) -> dict[str, Any]:
        return self.await_job(job_id, lambda row: row["state"] in ENDED)

    def reason_of(self, job_id: str, reason: str) -> None:
        self.await_job(job_id, lambda row: row["reason"] == reason)

    def running(self, job_id: str) -> None:
        self.await_job(job_id, lambda row: row["state"] == "RUNNING")

    def output(self, job_id: str) -> str:
        return (self.base / f"slurm-{job_id}.out").read_text()

    def gate(self) -> Gate:
        self.count += 1
        gate = Gate(self.base / f"gate{self.count}")
        self.handles.append(gate.handle)
        return gate

    def close(self) -> None:
        self.scheduler.shutdown(kill_jobs=True)
        assert not self.scheduler.is_running()
        for handle in self.handles:
            os.close(handle)


class Gate:
    """A named pipe: a job passes when it is opened, and whoever holds it open can be told to live."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        # Opened for writing as well: else it would wait for one who writes, who may have come and gone.
        self.wait = f'read -r _ <> "{path}"'
        self.hold = f'exec 9> "{path}"; printf x >&9'

    def open(self) -> None:
        """Let the job that waits, or is going to, pass."""
        # For reading as well: the line waits in the pipe for as long as this is open. Not by closing the other one first:
        # any thread may be given its number.
        handle = os.open(self.path, os.O_RDWR)
        os.dup2(handle, self.handle, inheritable=False)
        os.close(handle)
        os.write(self.handle, b"\n")

    def await_held(self, times: int = 1) -> None:
        """Wait until that many have said that they hold it."""
        seen = b""
        while len(seen) < times:
            assert select.select([self.handle], [], [], DEADLINE)[0]
            with contextlib.suppress(BlockingIOError):
                seen += os.read(self.handle, 1)

    def nobody_holds(self) -> bool:
        """Whether all that held it are gone."""
        try:
            return os.read(self.handle, 1) == b""
        except BlockingIOError:
            return False

    def await_released(self) -> None:
        wait_until(self.nobody_holds, "nobody holds it")


def refusal(submit: Callable[[], object]) -> str:
    with pytest.raises(AgentError) as caught:
        submit()
    assert caught.value.kind == "refused"
    assert "\n" not in str(caught.value)
    return str(caught.value)


def kill_daemon(site: Site) -> None:
    os.kill(site.scheduler.info()["pid"], signal.SIGKILL)
    wait_until(lambda: not site.scheduler.is_running(), "the daemon is gone")


def supervisor_of(site: Site) -> int:
    return int((site.base / "supervisor").read_text())
