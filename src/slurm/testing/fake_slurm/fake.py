"""A fake Slurm, as a test has it."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from .faults import Disturbing, Faults, check_word
from .jobs import apply, selected
from .node import EVERY, Node
from .program import COMMANDS
from .said import MORE, FakeJob, check_id, made, put, shown, step_of
from .states import CODES
from .store import Call, Store


class Said:
    """What was said of jobs, for more to be said: see `FakeSlurm.say`."""

    def __init__(self, fake: FakeSlurm, job_ids: list[int] | None) -> None:
        self._fake = fake
        self._job_ids = job_ids

    def then(
        self,
        state: str,
        *,
        after: float | None = None,
        reason: str | None = None,
        node: str | None = None,
        exit_code: str | None = None,
        in_queue: bool = True,
        in_accounts: bool = True,
    ) -> Said:
        """The next state: from the next squeue on that asks for the job, or `after` seconds in the one before."""
        step = step_of(state, after, reason, node, exit_code, in_queue, in_accounts)
        self._fake._add_step(self._job_ids, step)
        return self


class FakeSlurm(Disturbing):
    """``sbatch squeue sacct scancel scontrol sinfo`` that say what a test has them say. It is a fake: it schedules nothing.

    What they print for which options is Slurm's, of 24.11; what they do not know they refuse. Jobs that are submitted wait
    until the test says otherwise with `say` or `plan`, or run here as processes after `run_jobs`. In pytest it is the fixture
    ``fake_slurm``; without it, put `programs` before the rest of the PATH, and close it in the end.

    Examples:
        >>> import subprocess, tempfile
        >>> with tempfile.TemporaryDirectory() as folder, FakeSlurm(folder) as fake_slurm:
        ...     _ = fake_slurm.say(7, "PENDING", reason="Priority").then("RUNNING", node="c2")
        ...     for look in range(2):
        ...         squeue = [str(fake_slurm.programs / "squeue"), "-h", "-j", "7", "-o", "%i %T %R"]
        ...         print(subprocess.run(squeue, capture_output=True, text=True).stdout, end="")
        7 PENDING (Priority)
        7 RUNNING c2
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder: Path = Path(folder).resolve()
        self.programs: Path = self.folder / "bin"
        self._store = Store(str(self.folder / "state"))
        self._faults = Faults(self._store)
        self._node: Node | None = None
        for path in (self.programs, Path(self._store.folder)):
            path.mkdir(mode=0o700, parents=True)
        for command in COMMANDS:
            self._install(command)

    def __repr__(self) -> str:
        return f"<FakeSlurm, a fake, in {self.folder}>"

    def __enter__(self) -> FakeSlurm:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the jobs that run, and let the commands go on that hang."""
        self._faults.close()
        if self._node is not None:
            self._node.stop()
            self._node = None

    # --- what is said of jobs ----------------------------------------------------------------------

    def say(
        self,
        job_id: int | str,
        state: str,
        *,
        reason: str | None = None,
        node: str | None = None,
        exit_code: str | None = None,
        in_queue: bool = True,
        in_accounts: bool = True,
        **more: str,
    ) -> Said:
        """From now on this is said of a job, of all tasks of an array, or of one (``"12_3"``); `then` says what comes next.

        A job that nobody submitted is made. `exit_code` is Slurm's, as ``"1:0"``. Without `in_queue` the controller has
        forgotten the job, and without `in_accounts` ``sacct`` does not know it. `more` are ``name``, ``user``,
        ``partition``, ``comment``, ``script`` and ``workdir``. Raises ValueError for a state that Slurm has not.
        """
        for name in more:
            check_word("detail", name, MORE)
        step = step_of(state, None, reason, node, exit_code, in_queue, in_accounts)
        check_id(str(job_id))
        now = time.time()
        with self._store.opened() as known:
            jobs = selected(known["jobs"], str(job_id)) or [made(known, str(job_id), now)]
            for job in jobs:
                job.update(next=[], told=True, **more)
                apply(job, step, now)
        return Said(self, [job["id"] for job in jobs])

    def plan(
        self,
        state: str,
        *,
        reason: str | None = None,
        node: str | None = None,
        exit_code: str | None = None,
        in_queue: bool = True,
        in_accounts: bool = True,
    ) -> Said:
        """What becomes of every job that is submitted from now on, in the place of a plan before; `then` says what comes next.

        A job whose dependency is not met, or that is held, waits with it.
        """
        step = step_of(state, None, reason, node, exit_code, in_queue, in_accounts)
        with self._store.opened() as known:
            known["plan"] = [step]
        return Said(self, None)

    def run_jobs(self) -> None:
        """Have jobs that are submitted from now on run here, as processes of their own, with room for 16 cpus.

        Their dependencies, arrays, time limits and signals hold, and ``scancel`` ends them. Those of a `plan` are only said to.
        """
        with self._store.opened() as known:
            known["runs"] = True
        if self._node is None:
            self._node = Node(self._store)
            self._node.start()

    def wait_for(self, job_id: int | str, state: str, timeout: float = 60.0) -> None:
        """Wait until a job, or all tasks of an array, are in a state. Raises TimeoutError with the one that they are in."""
        check_word("state", state, CODES)
        check_id(str(job_id))
        deadline = time.monotonic() + timeout
        while True:
            with self._store.opened() as known:
                found = {job["state"] for job in selected(known["jobs"], str(job_id))}
            if found == {state}:
                return
            if time.monotonic() > deadline:
                are = " and ".join(sorted(found)) or "unknown"
                raise TimeoutError(f"job {job_id} is {are} after {timeout:g} s, not {state}")
            time.sleep(EVERY)

    # --- what the site is like ---------------------------------------------------------------------

    def set_config(self, **settings: str) -> None:
        """Settings that ``scontrol show config`` prints; ``MaxArraySize`` holds."""
        with self._store.opened() as known:
            known["config"].update({name: str(value) for name, value in settings.items()})

    def set_accounting(self, on: bool) -> None:
        """Whether the site keeps accounts."""
        with self._store.opened() as known:
            known["accounting"] = on

    def set_node(self, name: str, state: str = "", *, cpus: int = 8, memory: int = 16000) -> None:
        """A node with its cpus and MB, new or another; `state` as sinfo has it, "" for what its jobs make of it."""
        node = {"name": name, "cpus": cpus, "memory": memory, "state": state.upper()}
        with self._store.opened() as known:
            put(known["nodes"], node)

    def set_partition(
        self,
        name: str,
        *,
        nodes: tuple[str, ...] = ("c1", "c2"),
        default: bool = False,
        limit: str = "infinite",
        gres: str = "",
        available: str = "up",
    ) -> None:
        """A partition, new or another; one more default takes the place of the one before."""
        partition = {"name": name, "default": default, "nodes": list(nodes), "gres": gres}
        with self._store.opened() as known:
            for other in known["partitions"]:
                other["default"] = other["default"] and not default
            put(known["partitions"], {**partition, "limit": limit, "available": available})

    # --- what was asked for ------------------------------------------------------------------------

    @property
    def calls(self) -> list[Call]:
        """All calls of the commands so far, in the order in which they began."""
        return self._store.calls()

    def calls_of(self, command: str) -> list[list[str]]:
        """The arguments of each call of one command so far."""
        check_word("command", command, COMMANDS)
        return [call.arguments for call in self.calls if call.command == command]

    @property
    def jobs(self) -> list[FakeJob]:
        """All jobs and tasks of arrays, in the order of their submission."""
        with self._store.opened() as known:
            return [shown(job) for job in known["jobs"]]

    def job(self, job_id: int | str) -> FakeJob:
        """One job, or one task of an array. Raises LookupError."""
        for job in self.jobs:
            if job.id == str(job_id):
                return job
        raise LookupError(f"fake_slurm knows no job {job_id}")

    def _install(self, command: str) -> None:
        main = Path(__file__).with_name("__main__.py")
        # Through sh: the first line of a program is cut at 127 characters, and at blanks.
        argv = [sys.executable, "-I", "-S", str(main), self._store.folder, command]
        program = self.programs / command
        program.write_text(f'#!/bin/sh\n# A fake: see {__name__}.\nexec {shlex.join(argv)} "$@"\n')
        program.chmod(0o700)

    def _add_step(self, job_ids: list[int] | None, step: dict[str, Any]) -> None:
        with self._store.opened() as known:
            if job_ids is None:
                known["plan"].append(step)
            for job in known["jobs"]:
                if job["id"] in (job_ids or []):
                    job["next"].append(step)
