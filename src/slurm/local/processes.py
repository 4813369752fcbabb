"""The processes of running jobs, as the local scheduler's daemon sees them.

Each job's supervisor holds a named pipe open. Its end is the one proof that the supervisor is gone,
for the daemon that forked it and for a later one alike, and it arrives as an event.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from slurm.local.jobs import LocalJob
from slurm.local.launch import Launch, launch_of
from slurm.local.machine import node_name
from slurm.local.ps import leader_age, signal_group
from slurm.local.requests import Resources
from slurm.local.state import StateDirectory
from slurm.local.supervisor import spawn

# Seconds a new daemon waits for a supervisor that was forked just before the old one died.
SETTLE = 2.0
LAUNCH_FAILED = "0:53"  # what Slurm reports for a job whose output file cannot be opened


class Watched(NamedTuple):
    """A running job: its supervisor's process id, and our end of the pipe that proves it lives."""

    supervisor: int
    lifeline: int


class Processes:
    """Starts, adopts and ends jobs; calls `ended` with the id of a job whose supervisor is gone."""

    def __init__(
        self,
        state: StateDirectory,
        selector: selectors.BaseSelector,
        ended: Callable[[int], None],
        log: Callable[[str], None],
    ) -> None:
        self.watched: dict[int, Watched] = {}
        self._state = state
        self._selector = selector
        self._ended = ended
        self._log = log

    def start(self, job: LocalJob, *, room: Resources, kill_wait: float) -> LocalJob:
        """Run a pending job; returns it as it is now, RUNNING or FAILED."""
        running = job._replace(state="RUNNING", reason="None", start=time.time(), node=node_name())
        try:
            client = self._state.read_spooled(job.submission.job_id, "json")
            if client is None:
                raise FileNotFoundError(2, "the job's environment is gone", "spool")
            launch = launch_of(
                running,
                environment=client["environment"],
                umask=client["umask"],
                max_cpus=room.cpus,
                kill_wait=kill_wait,
                state_dir=self._state.path,
                spool=self._state.spool,
            )
            self._spawn(job.job_id, launch)
        except (OSError, ValueError) as error:
            self._log(f"job {job.shown} could not be started: {error}")
            return failed_launch(running)
        return running

    def _spawn(self, job_id: int, launch: Launch) -> None:
        self._state.forget_spooled(job_id, "alive", "pid", "status")
        pipe = self._state.spooled(job_id, "alive")
        os.mkfifo(pipe, 0o600)
        read_end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            write_end = os.open(pipe, os.O_WRONLY)
            try:
                supervisor = spawn(launch, write_end)
            finally:
                os.close(write_end)
        except OSError:
            os.close(read_end)
            raise
        self._watch(job_id, supervisor, read_end)

    def adopt(self, job: LocalJob) -> LocalJob | None:
        """Watch a job an earlier daemon started; None when its supervisor does not live."""
        try:
            lifeline = os.open(
                self._state.spooled(job.job_id, "alive"), os.O_RDONLY | os.O_NONBLOCK
            )
        except FileNotFoundError:
            return None
        deadline = time.monotonic() + SETTLE
        while _is_held(lifeline):
            started = self._state.read_spooled(job.job_id, "pid")
            if started is not None or time.monotonic() > deadline:
                break
            time.sleep(0.005)
        else:
            os.close(lifeline)
            return None
        started = started or {"supervisor": 0, "start": job.start or time.time()}
        self._watch(job.job_id, started["supervisor"], lifeline)
        start = job.start or started["start"]
        return job._replace(state="RUNNING", reason="None", node=node_name(), start=start)

    def end(self, job_id: int) -> None:
        """Have the supervisor end the job, if it has not just done so: SIGTERM, and SIGKILL later."""
        watched = self.watched.get(job_id)
        if watched is None:
            return
        started = self._state.read_spooled(job_id, "pid") or {}
        supervisor = watched.supervisor or started.get("supervisor")
        if supervisor and _is_held(watched.lifeline):
            with contextlib.suppress(ProcessLookupError):
                os.kill(supervisor, signal.SIGTERM)

    def kill_orphan(self, job_id: int) -> None:
        """Kill the process group of a job whose supervisor was killed, if it can be told for sure."""
        started = self._state.read_spooled(job_id, "pid")
        if started is None:
            return
        age = leader_age(started["pid"])
        if age is not None and abs(time.time() - age - started["start"]) <= 2.0:
            signal_group(started["pid"], signal.SIGKILL)

    def _watch(self, job_id: int, supervisor: int, lifeline: int) -> None:
        self.watched[job_id] = Watched(supervisor, lifeline)
        self._selector.register(lifeline, selectors.EVENT_READ, lambda: self._let_go(job_id))

    def _let_go(self, job_id: int) -> None:
        watched = self.watched.pop(job_id)
        self._selector.unregister(watched.lifeline)
        os.close(watched.lifeline)
        if watched.supervisor:
            with contextlib.suppress(ChildProcessError):  # an adopted one is not ours to reap
                os.waitpid(watched.supervisor, 0)
        self._ended(job_id)


def job_at_end(job: LocalJob, status: Mapping[str, Any] | None) -> LocalJob:
    """`job` as its supervisor's `status` says it ended; None when the supervisor was killed."""
    if status is None and job.cancelled:
        return job._replace(state="CANCELLED", exit_code="0:9", end=time.time())
    if status is None:
        return job._replace(state="NODE_FAIL", reason="NodeFail", end=time.time())
    if status["error"]:
        return failed_launch(job)._replace(end=status["end"])
    job = job._replace(max_rss=status.get("max_rss", 0))
    wait = status["wait"]
    number = os.WTERMSIG(wait) if os.WIFSIGNALED(wait) else 0
    code = os.WEXITSTATUS(wait) if os.WIFEXITED(wait) else 0
    if status["cause"] == "limit":
        state, reason = "TIMEOUT", "TimeLimit"
    elif status["cause"] == "cancel":
        state, reason = "CANCELLED", "None"
    elif number:
        state, reason = "FAILED", f"RaisedSignal:{number}"
    else:
        state, reason = ("FAILED", "NonZeroExitCode") if code else ("COMPLETED", "None")
    return job._replace(state=state, reason=reason, end=status["end"], exit_code=f"{code}:{number}")


def failed_launch(job: LocalJob) -> LocalJob:
    """`job` as it ends when it cannot be started, for want of its directory or an output file."""
    now = time.time()
    return job._replace(state="FAILED", reason="JobLaunchFailure", exit_code=LAUNCH_FAILED, end=now)


def _is_held(lifeline: int) -> bool:
    try:
        return os.read(lifeline, 1) != b""
    except BlockingIOError:
        return True
