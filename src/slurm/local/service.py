"""The local scheduler itself: answers requests, starts what may start, takes in what has ended."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from slurm.local.jobs import ACTIVE, LocalJob, Refused, pending_again
from slurm.local.journal import Journal
from slurm.local.machine import machine_room, node_name
from slurm.local.processes import Processes, job_at_end
from slurm.local.queue import Queue
from slurm.local.records import Records
from slurm.local.requests import Resources, read_submission
from slurm.local.state import StateDirectory

KEEP_JOBS = 10_000  # when the journal is rewritten


class Settings(NamedTuple):
    """How a scheduler behaves: times in seconds; a bound of 0 stands for all of the machine's."""

    max_cpus: int = 0
    max_mem: int = 0
    idle_timeout: float = 30.0
    kill_wait: float = 5.0


class Service:
    """The scheduler of one state directory, whose lock the caller holds.

    The caller calls `settle` after every event, and `ended` when `processes` says so. `room` is what
    jobs may use at once.
    """

    def __init__(
        self, state: StateDirectory, settings: Settings, log: Callable[[str], None]
    ) -> None:
        self._stopping = False
        self._killing = False
        self._state = state
        self._settings = settings
        machine = machine_room()
        self.room: Resources = Resources(
            settings.max_cpus or machine.cpus, settings.max_mem or machine.mem
        )
        self._journal = Journal(state.journal)
        self._records = Records(self._journal.submissions, self._journal.jobs)
        self.queue: Queue = Queue(self._records)
        self._processes: Processes
        self._log = log
        self._spent: list[LocalJob] = []  # their spool files go once the journal knows their end
        self._to_end: list[int] = []  # jobs to end once the journal knows what is to become of them
        self._commit_first = False
        self._unplanned = True

    def recover(self, processes: Processes) -> None:
        """Take up what an earlier daemon left: its running jobs, and those that ended unwatched."""
        self._processes = processes
        spooled = {name: name.lstrip(".").split(".")[0] for name in os.listdir(self._state.spool)}
        started = set(spooled.values())
        for job in self._records.live():
            if job.state not in ACTIVE and str(job.job_id) not in started:
                continue
            adopted = processes.adopt(job)
            if adopted is not None:
                self._log(f"job {job.shown}: adopted")
                ending = job.cancelled or job.requeued
                self.queue.put(adopted._replace(state="COMPLETING") if ending else adopted)
                if ending:
                    self._to_end.append(job.job_id)
            elif job.state in ACTIVE or os.path.exists(self._state.spooled(job.job_id, "pid")):
                self._log(f"job {job.shown}: ended while nobody watched")
                self.ended(job.job_id)
        wanted = {str(job.job_id) for job in self._records.live()}
        wanted |= {str(job_id) for job_id in self._records.live_ids}
        wanted |= {str(job.job_id) for job in self._spent}
        for name, owner in spooled.items():
            if owner not in wanted:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self._state.spool, name))

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
        for job in self._records.live() if kill_jobs else ():
            self.cancel(job)

    def settle(self) -> None:
        """Make all that has happened durable, and start what may start now."""
        if self._commit_first:  # a job that runs and is in no journal would be submitted again
            self._commit()
        while self._unplanned and not self._stopping:
            self._unplanned = False
            plan = self.queue.plan(self.room, time.time())
            for job in plan.cancel:
                self.cancel(job)
            for job in plan.start:
                self._start(job)
        self._commit()
        for job_id in self._to_end:
            self._processes.end(job_id)
        self._to_end.clear()

    def ended(self, job_id: int) -> None:
        """A job's supervisor is gone: record how the job ended, or have it wait again."""
        job = self._records.jobs[job_id]
        started = self._state.read_spooled(job_id, "pid")
        if started is not None and job.start is None:
            job = job._replace(start=started["start"], node=node_name())
        status = self._state.read_spooled(job_id, "status")
        if status is None:
            self._log(f"job {job.shown}: its supervisor was killed")
            self._processes.kill_orphan(job_id)
        again = job.requeued or (status is None and "requeue" in job.options)
        if again and not job.cancelled:
            self._state.forget_spooled(job_id, "alive", "pid", "status")
            self._put(pending_again(job))
            self._commit_first = True
        else:
            self._put(job_at_end(job, status))

    def _commit(self) -> None:
        self._commit_first = False
        self._journal.append(*self._records.take_changes())
        for job in self._spent:
            if job.start is not None:
                self._state.forget_spooled(job.job_id, "alive", "pid", "status")
            if job.submission.job_id not in self._records.live_ids:
                self._state.forget_spooled(job.submission.job_id, "json")
        self._spent.clear()
        if self._journal.outdated:
            self._rewrite_journal()

    def _rewrite_journal(self) -> None:
        self._records.forget_ended(KEEP_JOBS)
        self._journal.rewrite(self._records.submissions.values(), self._records.jobs.values())

    def _start(self, job: LocalJob) -> None:
        kill_wait = self._settings.kill_wait
        self._put(self._processes.start(job, room=self.room, kill_wait=kill_wait))

    def _put(self, job: LocalJob) -> None:
        self.queue.put(job)
        if job.state not in ACTIVE:
            self._unplanned = True
        if job.end is not None:
            self._spent.append(job)

    def submit(self, request: Mapping[str, Any]) -> str:
        """Take in what a client submits; its job id, or that of an earlier submission of its token."""
        known = self._records.find_by_token(request["token"])
        if known is not None:
            return str(known)
        if self._stopping:
            raise Refused("the local scheduler is shutting down")
        for name, there in (("script", os.path.isfile), ("cwd", os.path.isdir)):
            if not there(request[name]):
                raise Refused(f"{name} {request[name]}: no such file or directory")
        room = Resources(
            int(request.get("max_cpus") or self.room.cpus),
            int(request.get("max_mem") or self.room.mem),
        )
        submission = read_submission(self._records.next_id, request, time.time(), room)
        self._records.check_dependency(submission)
        client = {"environment": dict(request["environment"]), "umask": int(request["umask"])}
        try:
            self._state.write_spooled(submission.job_id, "json", client)
        except OSError as error:
            raise Refused(f"{error.filename}: {error.strerror}") from None
        self.room = room
        self.queue.add(submission)
        self._commit_first = self._unplanned = True
        return str(submission.job_id)

    def cancel(self, job: LocalJob) -> None:
        """End a job for good; one that has ended already is left alone."""
        if job.state == "PENDING":
            self._put(job._replace(state="CANCELLED", end=time.time()))
        elif job.state in ACTIVE:
            self._put(job._replace(state="COMPLETING", cancelled=True))
            self._to_end.append(job.job_id)

    def requeue(self, job: LocalJob) -> None:
        """End a running job, to have it wait again."""
        self._put(job._replace(state="COMPLETING", requeued=True))
        self._to_end.append(job.job_id)
