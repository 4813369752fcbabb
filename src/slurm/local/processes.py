"""The processes of running jobs, as the local scheduler's daemon sees them.

Each job's supervisor holds a named pipe open. Its end is the one proof that the supervisor is gone,
for the daemon that forked it and for a later one alike, and it arrives as an event.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import stat
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from slurm.local.jobs import LocalJob
from slurm.local.launch import STATE_VARIABLE, Launch, launch_of
from slurm.local.machine import node_name
from slurm.local.ps import any_alive, holders_of, is_leader, signal_group, with_environment
from slurm.local.requests import Resources
from slurm.local.state import DamagedFile, StateDirectory
from slurm.local.supervisor import spawn

# Seconds a new daemon waits for the name of a supervisor that was forked just before the old one died.
SETTLE = 2.0
# Seconds for the processes of a killed supervisor to be gone; one that waits for a dead disk may take longer.
ORPHAN_WAIT = 2.0
LAUNCH_FAILED = "0:53"  # what Slurm reports for a job whose output file cannot be opened


class Watched(NamedTuple):
    """A running job: its supervisor's process id, and our end of the pipe that proves it lives."""

    supervisor: int
    lifeline: int


class Processes:
    """Starts, adopts and ends jobs; calls `ended` with the id of a job whose supervisor is gone.

    What is started begins with `release`, once the journal says that it has.
    """

    def __init__(
        self,
        state: StateDirectory,
        selector: selectors.BaseSelector,
        ended: Callable[[int], None],
        log: Callable[[str], None],
    ) -> None:
        self.watched: dict[int, Watched] = {}
        self._gates: list[int] = []
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
        except (OSError, ValueError, DamagedFile) as error:
            self._log(f"job {job.shown} could not be started: {error}")
            return failed_launch(running, in_words(error))
        return running

    def release(self) -> None:
        """Let what was started begin."""
        for gate in self._gates:
            with contextlib.suppress(BrokenPipeError):  # the supervisor was killed
                os.write(gate, b"!")
            os.close(gate)
        self._gates.clear()

    def _spawn(self, job_id: int, launch: Launch) -> None:
        self._state.forget_spooled(job_id, "alive", "pid", "status")
        self._state.reserve_status(job_id)
        pipe = self._state.spooled(job_id, "alive")
        os.mkfifo(pipe, 0o600)
        with contextlib.ExitStack() as opened:
            read_end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
            undo = opened.enter_context(contextlib.ExitStack())
            undo.callback(os.close, read_end)
            write_end = os.open(pipe, os.O_WRONLY)
            opened.callback(os.close, write_end)
            wait, gate = os.pipe()
            opened.callback(os.close, wait)
            undo.callback(os.close, gate)
            supervisor = spawn(launch, write_end, wait)
            undo.pop_all()
        self._gates.append(gate)
        self._watch(job_id, supervisor, read_end)

    def adopt(self, job: LocalJob) -> LocalJob | None:
        """Watch a job an earlier daemon started; None when its supervisor does not live."""
        lifeline = self._lifeline(job.job_id)
        if lifeline is None:
            return None
        if not _is_held(lifeline):
            os.close(lifeline)
            return None
        self._watch(job.job_id, 0, lifeline)
        start = job.start or self._started(job.job_id).get("start", time.time())
        return job._replace(state="RUNNING", reason="None", node=node_name(), start=start)

    def end(self, job_id: int) -> None:
        """Have the supervisor end the job, if it has not just done so: SIGTERM, and SIGKILL later."""
        watched = self.watched.get(job_id)
        if watched is None:
            return
        if _is_held(watched.lifeline):
            for supervisor in self._supervisors(job_id, watched):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(supervisor, signal.SIGTERM)

    def kill_orphans(self, job_id: int) -> bool:
        """Kill what is left of a job whose supervisor was killed; whether all of it is gone.

        That is the group of its process, if that is the one that was started, and on Linux whatever
        was started with the job's environment.
        """
        started = self._started(job_id)
        group = started.get("pid", 0)
        if not group or not is_leader(group, started.get("birth"), started["start"]):
            group = 0
        mark = f"SLURM_JOB_ID={job_id}", f"{STATE_VARIABLE}={self._state.path}"
        deadline = time.monotonic() + ORPHAN_WAIT
        while True:
            left = with_environment(*mark)
            if not left and not (group and any_alive({group})):
                return True
            if group:
                signal_group(group, signal.SIGKILL)
            for pid in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)

    def said_at_end(self, job_id: int) -> tuple[Mapping[str, Any] | None, str]:
        """What a job's supervisor has noted at its end, None where it was killed; and what is wrong with the note."""
        try:
            return self._state.read_spooled(job_id, "status"), ""
        except DamagedFile as error:
            return None, str(error)

    def with_start(self, job: LocalJob) -> LocalJob:
        """`job` with the time of its start, where the daemon that started it could not note that any more."""
        started = self._started(job.job_id) if job.start is None else {}
        return job._replace(start=started["start"], node=node_name()) if started else job

    def _supervisors(self, job_id: int, watched: Watched) -> list[int]:
        """The process that holds the job's pipe open; that of an adopted job as Linux has it, or its file says."""
        if watched.supervisor:
            return [watched.supervisor]
        deadline = time.monotonic() + SETTLE
        while _is_held(watched.lifeline) and time.monotonic() < deadline:
            known = self._started(job_id).get("supervisor")
            holders = holders_of(self._state.spooled(job_id, "alive"))
            if known is not None and (known in holders or not holders):
                return [known]
            if holders:
                return holders
            time.sleep(0.005)
        return []

    def _started(self, job_id: int) -> Mapping[str, Any]:
        """What the job's process has noted of itself; nothing where that is not there, or damaged."""
        try:
            return self._state.read_spooled(job_id, "pid") or {}
        except DamagedFile as error:
            self._log(str(error))
            return {}

    def _lifeline(self, job_id: int) -> int | None:
        """Our end of the pipe that a job's supervisor may hold, None where there is no such pipe."""
        path = self._state.spooled(job_id, "alive")
        try:
            lifeline = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self._log(f"{path}: {error.strerror}")
            return None
        if not stat.S_ISFIFO(os.fstat(lifeline).st_mode):
            self._log(f"{path} is damaged: it is no named pipe")
            os.close(lifeline)
            return None
        return lifeline

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


def job_at_end(job: LocalJob, status: Mapping[str, Any] | None, problem: str = "") -> LocalJob:
    """`job` as its supervisor's `status` says it ended; None when the supervisor was killed.

    A `problem` is the file that does not say how it ended.
    """
    if status is None and job.cancelled:
        return job._replace(state="CANCELLED", exit_code="0:9", end=time.time())
    if status is None:
        reason = f"NodeFail: {problem}" if problem else "NodeFail"
        return job._replace(state="NODE_FAIL", reason=reason, end=time.time())
    if status["error"]:
        return failed_launch(job, status["error"])._replace(end=status["end"])
    job = job._replace(max_rss=status.get("max_rss", 0), cpu_ms=status.get("cpu_ms", 0))
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


def failed_launch(job: LocalJob, why: str) -> LocalJob:
    """`job` as it ends when it cannot be started, for want of its directory, say; `why` names the file."""
    reason, now = f"JobLaunchFailure: {why}", time.time()
    return job._replace(state="FAILED", reason=reason, exit_code=LAUNCH_FAILED, end=now)


def in_words(error: Exception) -> str:
    """What an error says, and of which file."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}"
    return " ".join(str(error).split())


def _is_held(lifeline: int) -> bool:
    try:
        return os.read(lifeline, 1) != b""
    except BlockingIOError:
        return True
