"""The supervisor: a process per job that outlives the daemon, ends the job and records how it ended.

The daemon forks it; it forks the job's ``/bin/bash``, in a session of its own, and then only waits.
It warns the job before its time limit and enforces that, ends it on SIGTERM, and kills what it leaves
behind. Until then it holds the job's named pipe open: the daemon, or the next daemon, reads its end from that.

The job begins when the daemon says that the journal knows of it. One whose daemon dies before never
begins; one that has begun is never taken for one that has not.

On Linux what the job's processes leave behind becomes the supervisor's child, so that a process that
has forked itself away (a daemon) is ended as well; on macOS that one is out of reach.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from typing import NoReturn

from slurm.agent.files import write_atomic
from slurm.local.launch import Launch
from slurm.local.linux_calls import adopt_orphans
from slurm.local.ps import (
    Process,
    any_alive,
    birth_of,
    descendants,
    environment_of,
    signal_group,
)
from slurm.local.state import SCHEDULER_MARK, write_status
from slurm.local.warning import Warner

# Seconds to wait for killed processes to be gone; one that waits for a dead disk may take longer.
LEFTOVER_WAIT = 5.0
UNRELEASED = "\0"  # in the place of a complaint
RSS_PER_KILOBYTE = 1024 if sys.platform == "darwin" else 1
# What Python set otherwise for itself or a login shell for its children.
DEFAULT_SIGNALS = ("SIGPIPE", "SIGXFSZ", "SIGHUP", "SIGINT", "SIGTERM", "SIGQUIT", "SIGCHLD")


def spawn(launch: Launch, lifeline: int, gate: int) -> int:
    """Fork the supervisor of a job; returns its process id.

    `lifeline` is the file descriptor it keeps open as long as it lives. The job begins when there is
    a byte in the pipe `gate`, and never when that is closed without one. Raises OSError.
    """
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        process = os.fork()
        if process == 0:
            _become_supervisor(launch, lifeline, gate)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return process


def _become_supervisor(launch: Launch, lifeline: int, gate: int) -> NoReturn:
    try:
        os.setsid()
        _close_all_but(lifeline, gate)
        _Supervisor(launch, gate).run()
    except BaseException as error:  # noqa: BLE001 - the daemon's own code must not run twice
        sys.stderr.write(f"supervisor of {launch.argv}: {type(error).__name__}: {error}\n")
        sys.stderr.flush()
    finally:
        os._exit(0)


def _close_all_but(*kept: int) -> None:
    """Sockets, locks and other jobs' pipes must not stay open here when the daemon is gone."""
    for name in os.listdir("/dev/fd"):
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):  # the listing's own descriptor is closed already
                os.close(int(name))


class _Supervisor:
    def __init__(self, launch: Launch, gate: int) -> None:
        self.launch = launch
        self.adopts: bool = adopt_orphans()
        self.cause: str | None = None
        self.kill_at: float | None = None
        self.groups: set[int] = set()
        self.status: int | None = None
        self.used: dict[str, int] = {}
        self.wakeup, write_end = os.pipe()
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        self.job, self.complaint = _start_job(launch, gate)
        self.groups.add(self.job)
        os.close(gate)
        self.limit_at: float | None = None
        self.warner: Warner | None = None
        if launch.time_limit is not None:
            start = time.monotonic()
            self.limit_at = start + launch.time_limit
            if launch.warning is not None:
                self.warner = Warner(launch.warning, launch.time_limit, start)

    def run(self) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        while not self._has_ended():
            self._wait()
        with open(self.complaint, "rb") as pipe:
            error = pipe.read().decode("utf-8", "replace")
        self._kill_leftovers()
        if error == UNRELEASED:
            self.cause, error = "unreleased", ""
        status = {"error": error, "cause": self.cause, "end": time.time(), "wait": self.status}
        write_status(self.launch.status_file, {**status, **self.used})

    def _has_ended(self) -> bool:
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self._reap(os.WNOHANG)
        while True:  # unreaped, the job keeps the id of its group from being reused
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None or ended.si_pid == self.job:
                return ended is not None
            os.waitpid(ended.si_pid, 0)  # an orphan

    def _reap(self, options: int) -> bool:
        process, status, usage = os.wait4(self.job, options)
        if process:
            self.status = status
            self.used = {
                "max_rss": usage.ru_maxrss // RSS_PER_KILOBYTE,
                "cpu_ms": round(1000 * (usage.ru_utime + usage.ru_stime)),
            }
        return bool(process)

    def _wait(self) -> None:
        now = time.monotonic()
        if self.limit_at is not None and now >= self.limit_at:
            self.limit_at = None
            self._terminate("limit")
        if self.kill_at is not None and now >= self.kill_at:
            self.kill_at = None
            self._signal(signal.SIGKILL)
        warn_at = self._warn(now)
        moments = [one for one in (self.limit_at, self.kill_at, warn_at) if one is not None]
        # A day at most: some kernels refuse longer waits.
        timeout = min(max(0.0, min(moments) - now), 86400.0) if moments else None
        ready = select.select([self.wakeup], [], [], timeout)[0]
        if ready and signal.SIGTERM in os.read(self.wakeup, 4096):
            self._terminate("cancel")

    def _warn(self, now: float) -> float | None:
        """Warn the job if it is time to; when it will be, None for never."""
        if self.warner is None or self.warner.due is None or self.cause is not None:
            return None
        if now >= self.warner.due:
            self.warner.warn(self.job, now)
        return self.warner.due

    def _terminate(self, cause: str) -> None:
        if self.cause is None:
            self.cause = cause
            self.kill_at = time.monotonic() + self.launch.kill_wait
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        """Signal every process group in which a descendant of the job is, the job's own first."""
        self.groups |= {one.group for one in self._processes()} - {os.getpgrp()}
        for group in sorted(self.groups, key=lambda one: one != self.job):
            signal_group(group, number)

    def _processes(self) -> list[Process]:
        """All that descends from the job, and on Linux from what it has left behind."""
        return descendants(os.getpid(), _is_scheduler) if self.adopts else descendants(self.job)

    def _kill_leftovers(self) -> None:
        """As at the end of a job under Slurm: nothing of it goes on."""
        groups = self.groups if self.cause else {self.job}
        for group in groups:
            signal_group(group, signal.SIGKILL)
        if self.status is None:
            self._reap(0)
        deadline = time.monotonic() + LEFTOVER_WAIT
        while (self._kill_orphans() or any_alive(groups)) and time.monotonic() < deadline:
            time.sleep(0.005)

    def _kill_orphans(self) -> bool:
        """Kill what has left the job's process groups; whether there was anything."""
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:  # as after most jobs, and always where orphans are init's
            return False
        left = [one.pid for one in self._processes() if one.state[0] != "Z"]
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        return bool(left)


def _is_scheduler(pid: int) -> bool:
    """Whether a process is a daemon or a supervisor: it may descend from a job, and is not a part of it."""
    return SCHEDULER_MARK.encode() + b"=1" in environment_of(pid)


def _start_job(launch: Launch, gate: int) -> tuple[int, int]:
    """Fork the job; its process id, and a pipe that says why it could not become ``bash`` (nothing when it did).

    It leads its process group by then: a signal that is to end the job would be lost before.
    """
    read_end, write_end = os.pipe()
    alone, leads = os.pipe()
    process = os.fork()
    if process == 0:
        _become_job(launch, gate, write_end, leads)
    os.close(write_end)
    os.close(leads)
    os.read(alone, 1)  # nothing comes: the job closes its end
    os.close(alone)
    return process, read_end


def _become_job(launch: Launch, gate: int, complaint: int, leads: int) -> NoReturn:
    try:
        os.setsid()
        os.close(leads)
        if not os.read(gate, 1):
            os.write(complaint, UNRELEASED.encode())
            os._exit(1)
        os.umask(launch.umask)
        os.chdir(launch.cwd)
        _open_files(launch)
        pid = os.getpid()
        born = {"start": time.time(), "birth": birth_of(pid)}
        supervision = {"pid": pid, "supervisor": os.getppid(), **born}
        write_atomic(launch.pid_file, json.dumps(supervision).encode(), sync=False)
        for name in DEFAULT_SIGNALS:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        os.execve(launch.argv[0], launch.argv, dict(launch.environment))
    except OSError as error:
        os.write(complaint, f"{error.strerror}: {error.filename}".encode("utf-8", "replace"))
    except ValueError as error:
        os.write(complaint, f"{error}".encode("utf-8", "replace"))
    finally:
        os._exit(1)


def _open_files(launch: Launch) -> None:
    # Always to the end, as under Slurm: two options may name one file.
    how = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (0 if launch.append else os.O_TRUNC)
    stdin = os.open(launch.stdin, os.O_RDONLY)
    stdout = os.open(launch.stdout, how, 0o666)
    stderr = os.open(launch.stderr, how, 0o666) if launch.stderr else stdout
    for handle, target in ((stdin, 0), (stdout, 1), (stderr, 2)):
        os.dup2(handle, target)
