"""The jobs that run here, as processes of the one that has the fixture."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import signal
import subprocess
import threading
import time

from .job_environment import variables_of
from .jobs import apply, may_start, put_back, settle
from .store import Job, State, Store
from .submitted import output_path

EVERY = 0.02  # seconds between two looks at the queue
NO_OUTPUT = "0:53"  # the exit code of a job whose files cannot be opened
WARNING = re.compile(r"(?:R?(B?):)?([A-Za-z0-9]+)(?:@(\d+))?")


class Running:
    """The process of a job, and what it has been sent."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process: subprocess.Popen[bytes] = process
        self.asked_at: float | None = None
        self.warned: bool = False

    def send(self, number: int, *, to_all: bool = True) -> None:
        """Send a signal to all that the job started, or to its script alone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if to_all:
                os.killpg(self.process.pid, number)
            elif self.process.poll() is None:
                os.kill(self.process.pid, number)


class Node:
    """Starts jobs as their turn comes, and notes how they end. It ends with all that it started."""

    def __init__(self, store: Store) -> None:
        self.store: Store = store
        self.running: dict[int, Running] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="fake_slurm", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Kill what runs, and return when it has ended."""
        self._stop.set()
        self._thread.join()
        for one in self.running.values():
            one.send(signal.SIGKILL)
            one.process.wait()
        self.running.clear()

    def _go_on(self) -> None:
        while not self._stop.wait(EVERY):
            with self.store.opened() as state:
                self._turn(state, time.time())

    def _turn(self, state: State, now: float) -> None:
        for job in state["jobs"]:
            one = self.running.get(job["id"])
            if one is None:
                continue
            if one.process.poll() is None:
                self._tell(state, job, one, now)
            else:
                self._note_end(state, job, one, now)
        settle(state, now)
        for job in state["jobs"]:
            if job["runs"] and may_start(job, now):
                self._start_if_room(state, job, now)

    def _tell(self, state: State, job: Job, one: Running, now: float) -> None:
        """Send the job what it is to have by now."""
        while job["signals"]:
            number, to_all = job["signals"].pop(0)
            one.send(number, to_all=to_all)
        if job["limit"] and not job["ending"]:
            left = job["start"] + job["limit"] * 60 - now
            self._warn(job, one, left)
            if left <= 0:
                job.update(ending="TIMEOUT", state="COMPLETING")
        if job["ending"] and one.asked_at is None:
            one.asked_at = now
            one.send(signal.SIGCONT)
            one.send(signal.SIGTERM)
        elif one.asked_at is not None and now - one.asked_at > state["kill_wait"]:
            one.send(signal.SIGKILL)

    def _warn(self, job: Job, one: Running, left: float) -> None:
        """The signal of ``--signal``, which the script alone has where its value says B."""
        match = WARNING.fullmatch(job["options"].get("signal", ""))
        if one.warned or match is None or left > int(match.group(3) or 60):
            return
        one.warned = True
        name = match.group(2).upper().replace("SIG", "", 1)
        number = int(name) if name.isdigit() else int(signal.Signals["SIG" + name])
        if match.group(1):
            one.send(number, to_all=False)

    def _note_end(self, state: State, job: Job, one: Running, now: float) -> None:
        one.send(signal.SIGKILL)  # what it left behind
        del self.running[job["id"]]
        code = one.process.returncode
        job["exit"] = f"{code}:0" if code >= 0 else f"0:{-code}"
        if job["ending"] == "REQUEUED":
            put_back(job, now, state["requeue_delay"])
            return
        usual = "COMPLETED" if code == 0 else "FAILED"
        details = {"exit": job["exit"]}
        if not job["ending"] and code < 0:
            details["reason"] = f"RaisedSignal:{-code}({signal.strsignal(-code)})"
        apply(job, {"state": job["ending"] or usual, "details": details}, now)

    def _start_if_room(self, state: State, job: Job, now: float) -> None:
        running = [one for one in state["jobs"] if one["id"] in self.running]
        of_array = [one for one in running if one["array"] == job["array"]]
        if job["array"] is not None and job["throttle"] and len(of_array) >= job["throttle"]:
            job["reason"] = "JobArrayTaskLimit"
            return
        [partition] = [one for one in state["partitions"] if one["name"] == job["partition"]]
        for node in state["nodes"]:
            used = sum(one["cpus"] for one in running if one["node"] == node["name"])
            usable = node["name"] in partition["nodes"] and not node["state"]
            if usable and used + min(job["cpus"], node["cpus"]) <= node["cpus"]:
                job["node"] = node["name"]
                self._start(state, job, now)
                return
        job["reason"] = "Resources"

    def _start(self, state: State, job: Job, now: float) -> None:
        apply(job, {"state": "RUNNING", "details": {}}, now)
        number = str(job["array"] or job["id"])
        with open(self.store.path("environments", number), encoding="utf-8") as file:
            environment = {**json.load(file), **variables_of(state, job)}
        out = output_path(job, job["stdout"])
        err = output_path(job, job["stderr"]) if job["stderr"] else out
        mode = "ab" if job["options"].get("open-mode") == "append" else "wb"
        script = self.store.path("scripts", number)
        try:
            with open(out, mode) as stdout, open(err, "ab" if err == out else mode) as stderr:
                process = subprocess.Popen(
                    [script, *job["arguments"]],
                    cwd=job["workdir"],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stdout if err == out else stderr,
                    start_new_session=True,
                )
        except OSError as error:
            is_script = error.errno in (errno.ENOENT, errno.ENOEXEC) and os.path.exists(out)
            code = f"{error.errno}:0" if is_script else NO_OUTPUT
            apply(job, {"state": "FAILED", "details": {"exit": code}}, now)
            return
        self.running[job["id"]] = Running(process)
