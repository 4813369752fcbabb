"""The local scheduler itself: answers requests, starts what may start, takes in what has ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slurm.local.jobs import ACTIVE, LocalJob, Refused
from slurm.local.journal import Journal
from slurm.local.processes import Processes, job_at_end, node_name
from slurm.local.queue import Queue
from slurm.local.state import PROTOCOL, StateDirectory


@dataclass(frozen=True)
class Settings:
    """How a scheduler behaves: times in seconds; `max_cpus` of 0 stands for all of the machine's."""

    max_cpus: int = 0
    idle_timeout: float = 30.0
    kill_wait: float = 5.0


class Service:
    """The scheduler of one state directory, whose lock the caller holds.

    The caller calls `settle` after every event, and `ended` when `processes` says so.
    """

    def __init__(
        self, state: StateDirectory, settings: Settings, log: Callable[[str], None]
    ) -> None:
        self._stopping = False
        self._killing = False
        self._state = state
        self._settings = settings
        self._max_cpus = settings.max_cpus or os.cpu_count() or 1
        self._journal = Journal(state.journal)
        self._queue = Queue(self._journal.jobs)
        self._processes: Processes
        self._log = log
        self._spent: list[int] = []  # their spool files go once the journal knows that they ended
        self._unplanned = True

    def recover(self, processes: Processes) -> None:
        """Take up what an earlier daemon left: its running jobs, and those that ended unwatched."""
        self._processes = processes
        for job in self._queue.live():
            adopted = processes.adopt(job)
            if adopted is not None:
                self._log(f"job {job.job_id}: adopted")
                self._queue.put(adopted)
                if job.cancelled:
                    self._cancel(adopted)
            elif job.state in ACTIVE or self._state.spooled(job.job_id, "pid").exists():
                self._log(f"job {job.job_id}: ended while nobody watched")
                self.ended(job.job_id)
        live = {str(job.job_id) for job in self._queue.live()}
        for path in self._state.spool.iterdir():
            if path.name.split(".")[0] not in live:
                path.unlink()

    @property
    def busy(self) -> bool:
        """Whether a job runs; only then can one that waits become startable without a request."""
        return bool(self._processes.watched)

    @property
    def done(self) -> bool:
        """Whether the scheduler has been told to stop, and the jobs it was to kill are gone."""
        return self._stopping and not (self._killing and self.busy)

    def stop(self, *, kill_jobs: bool) -> None:
        """Take no more jobs; cancel those there are, or leave them to the next daemon."""
        self._stopping = True
        self._killing = self._killing or kill_jobs
        for job in self._queue.live() if kill_jobs else ():
            self._cancel(job)

    def handle(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to a request: ``{"ok": result}``, or ``{"error": line, "kind": word}``."""
        operations: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
            "submit": self._op_submit,
            "query": self._op_query,
            "cancel": self._op_cancel,
            "find_by_token": self._op_find_by_token,
            "queue": self._op_queue,
            "info": self._op_info,
            "shutdown": self._op_shutdown,
        }
        if request.get("protocol") != PROTOCOL:
            message = f"the local scheduler (pid {os.getpid()}) is of another version of the SDK"
            return {"error": f"{message}; end it with: kill {os.getpid()}", "kind": "scheduler"}
        try:
            return {"ok": operations[request["op"]](request)}
        except Refused as error:
            return {"error": str(error), "kind": "refused"}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return {"error": f"malformed request: {error!r}", "kind": "scheduler"}

    def settle(self) -> None:
        """Make all that has happened durable, and start what may start now."""
        self._commit()  # first: a job that runs and is in no journal would be submitted again
        while self._unplanned and not self._stopping:
            self._unplanned = False
            plan = self._queue.plan(self._max_cpus)
            for job in plan.waiting:
                self._queue.set_reason(job)
            for job in plan.cancel:
                self._cancel(job)
            for job in plan.start:
                self._start(job)
            self._commit()

    def ended(self, job_id: int) -> None:
        """A job's supervisor is gone: record how the job ended."""
        job = self._queue.jobs[job_id]
        started = self._state.read_spooled(job_id, "pid")
        if started is not None and job.start is None:
            job = replace(job, start=started["start"], node=node_name())
        status = self._state.read_spooled(job_id, "status")
        if status is None:
            self._log(f"job {job_id}: its supervisor was killed")
            self._processes.kill_orphan(job_id)
        job = job_at_end(job, status)
        if status is None and "requeue" in job.options and not job.cancelled:
            self._state.forget_spooled(job_id, "alive", "pid", "status")
            job = replace(
                job, state="PENDING", start=None, end=None, node="", restarts=job.restarts + 1
            )
        self._put(job)

    def _commit(self) -> None:
        self._journal.append(self._queue.take_changes())
        for job_id in self._spent:
            self._state.forget_spooled(job_id)
        self._spent.clear()

    def _start(self, job: LocalJob) -> None:
        max_cpus, kill_wait = self._max_cpus, self._settings.kill_wait
        self._put(self._processes.start(job, max_cpus=max_cpus, kill_wait=kill_wait))

    def _put(self, job: LocalJob) -> None:
        self._queue.put(job)
        if job.state not in ACTIVE:
            self._unplanned = True
        if job.end is not None:
            self._spent.append(job.job_id)

    def _cancel(self, job: LocalJob) -> None:
        if job.state == "PENDING":
            self._put(replace(job, state="CANCELLED", end=time.time()))
        elif job.state in ACTIVE:
            self._put(replace(job, state="COMPLETING", cancelled=True))
            self._processes.cancel(job.job_id)

    def _jobs(self, request: Mapping[str, Any]) -> list[LocalJob]:
        wanted = [int(one) for one in request["job_ids"] if one.isascii() and one.isdigit()]
        return [self._queue.jobs[job_id] for job_id in wanted if job_id in self._queue.jobs]

    def _op_submit(self, request: Mapping[str, Any]) -> str:
        known = self._queue.find_by_token(request["token"])
        if known is not None:
            return str(known)
        if self._stopping:
            raise Refused("the local scheduler is shutting down")
        for name, there in (("script", Path.is_file), ("cwd", Path.is_dir)):
            if not there(Path(request[name])):
                raise Refused(f"{name} {request[name]}: no such file or directory")
        job = self._queue.draft(request, time.time())
        client = {"environment": dict(request["environment"]), "umask": int(request["umask"])}
        try:
            self._state.write_spooled(job.job_id, "json", client)
        except OSError as error:
            raise Refused(f"{error.filename}: {error.strerror}") from None
        self._max_cpus = int(request.get("max_cpus") or self._max_cpus)
        self._put(job)
        return str(job.job_id)

    def _op_query(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [job.observation() for job in self._jobs(request)]

    def _op_cancel(self, request: Mapping[str, Any]) -> None:
        for job in self._jobs(request):
            self._cancel(job)

    def _op_find_by_token(self, request: Mapping[str, Any]) -> str | None:
        known = self._queue.find_by_token(request["token"])
        return None if known is None else str(known)

    def _op_queue(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [job.queue_row() for job in self._queue.live()]

    def _op_info(self, request: Mapping[str, Any]) -> dict[str, int]:
        pending = len(self._queue.pending())
        running = len(self._queue.live()) - pending
        counts = {"running": running, "pending": pending}
        return {"max_cpus": self._max_cpus, "pid": os.getpid(), **counts}

    def _op_shutdown(self, request: Mapping[str, Any]) -> None:
        self.stop(kill_jobs=bool(request["kill_jobs"]))
