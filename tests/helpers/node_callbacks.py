"""Callbacks of an importable module. Those that travel write what they are told into a file on the node."""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

from slurm import JobContext, task
from slurm.callbacks import (
    BaseCallback,
    CallbackContext,
    CompletedContext,
    ExecutionLocus,
    RunBeginContext,
    RunEndContext,
    SubmitEndContext,
)
from slurm.callbacks.base import CLIENT_HOOKS, RUNNER_HOOKS

ALL_HOOKS = tuple(dict.fromkeys([*CLIENT_HOOKS[:4], *RUNNER_HOOKS, *CLIENT_HOOKS[4:]]))


class Recorder(BaseCallback):
    """Remembers every hook of the client, with what it was told; the event is set by the first."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.closed = 0

    def close(self) -> None:
        self.closed += 1

    def hooks(self) -> list[str]:
        return [hook for hook, _ in self.told]

    def of(self, hook: str) -> list[Any]:
        return [context for name, context in self.told if name == hook]


def _remember(hook: str) -> Any:
    def remember(self: Recorder, ctx: CallbackContext) -> None:
        self.told.append((hook, ctx))

    return remember


for _hook in CLIENT_HOOKS:
    setattr(Recorder, _hook, _remember(_hook))


class Everywhere(BaseCallback):
    """Appends each hook it is called by, and where, to a file."""

    locus = ExecutionLocus.BOTH

    def __init__(self, path: Path, note: str = "") -> None:
        self.path = path
        self.note = note

    def _write(self, hook: str, ctx: CallbackContext) -> None:
        told = {f.name: str(getattr(ctx, f.name)) for f in fields(ctx)}
        told |= {"hook": hook, "note": self.note, "rich": str("rich" in sys.modules)}
        told["main_thread"] = str(threading.current_thread() is threading.main_thread())
        told["pid"] = str(os.getpid())
        with self.path.open("a") as file:
            file.write(json.dumps(told) + "\n")

    def on_end_submit_job_ctx(self, ctx: SubmitEndContext) -> None:
        self._write("end_submit", ctx)

    def on_begin_run_job_ctx(self, ctx: RunBeginContext) -> None:
        self._write("begin_run", ctx)

    def on_end_run_job_ctx(self, ctx: RunEndContext) -> None:
        self._write("end_run", ctx)

    def on_completed_ctx(self, ctx: CompletedContext) -> None:
        self._write("completed", ctx)

    def close(self) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps({"hook": "close", "pid": str(os.getpid())}) + "\n")


class OnTheNode(Everywhere):
    locus = ExecutionLocus.RUNNER


class Failing(BaseCallback):
    """Fails in every hook of the runner, the first time as a program that wants to end."""

    locus = ExecutionLocus.RUNNER

    def on_begin_run_job_ctx(self, ctx: RunBeginContext) -> None:
        sys.exit(7)

    def on_end_run_job_ctx(self, ctx: RunEndContext) -> None:
        raise RuntimeError("no such dashboard")

    def close(self) -> None:
        raise RuntimeError("never opened")


class ArrivesBroken(BaseCallback):
    """Can be pickled, and not be unpickled."""

    locus = ExecutionLocus.BOTH

    def on_begin_run_job_ctx(self, ctx: RunBeginContext) -> None:
        raise AssertionError

    def __reduce__(self) -> Any:
        return int, ("no number",)


class HoldsALock(BaseCallback):
    locus = ExecutionLocus.BOTH

    def __init__(self) -> None:
        self.lock = threading.Lock()


class HoldsALockInTheJob(HoldsALock):
    def on_end_run_job_ctx(self, ctx: RunEndContext) -> None:
        """Wants to travel with every job."""


def lines(path: Path) -> list[dict[str, str]]:
    """What was written to the file of `Everywhere`."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@task(requeue=True)
def second_time_lucky(job: JobContext) -> int:
    if job.attempt == 1:
        job.requeue()
    return job.attempt


@task
def square(number: int) -> int:
    if number == 13:
        raise ValueError("unlucky")
    return number * number
