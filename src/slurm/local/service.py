"""The local scheduler itself: answers requests, starts what may start, takes in what has ended."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from slurm.agent.directories import remove
from slurm.local.holds import FIRST_PAUSE, HELD, hold_of, pause_before
from slurm.local.jobs import (
    ACTIVE,
    LocalJob,
    Refused,
    never_started,
    pending_after_crash,
    pending_again,
)
from slurm.local.journal import Journal
from slurm.local.machine import machine_room
from slurm.local.processes import Processes, job_at_end
from slurm.local.queue import Queue
from slurm.local.recovery import has_begun, known_again
from slurm.local.requests import Resources, read_submission
from slurm.local.state import EMPTY, StateDirectory

KEEP_JOBS = 10_000  # when the journal is rewritten
IDS_AT_ONCE = 1000  # ids for one note of how many were given


class Settings(NamedTuple):
    """How a scheduler behaves: times in seconds; a bound of 0 stands for all of the machine's."""

    max_cpus: int = 0
    max_mem: int = 0
    idle_timeout: float = 30.0
    kill_wait: float = 5.0
    requeue_pause: float = FIRST_PAUSE


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
        self._known = known_again(state, self._journal, log)
        self._records = self._known.records
        self._ids = state.ids_given()
        self.queue: Queue = Queue(self._records)
        self._processes: Processes
        self._log = log
        self._spent: list[LocalJob] = []  # their spool files go once the journal knows their end
        self._to_end: list[int] = []  # jobs to end once the journal knows what is to become of them
        self._rests: dict[int, float] = {}  # until when, by time.monotonic(), a lost job waits
        self._unplanned = True

    def recover(self, processes: Processes) -> None:
        """Take up what an earlier daemon left: its running jobs, and those that ended unwatched."""
        self._processes = processes
        for job in self._records.live():
            adopted = processes.adopt(job)
            if adopted is not None:
                self._log(f"job {job.shown}: adopted")
                ending = job.cancelled or job.requeued
                self.queue.put(adopted._replace(state="COMPLETING") if ending else adopted)
                if ending:
                    self._to_end.append(job.job_id)
            elif job.state in ACTIVE or self._has_begun(job):
                self._log(f"job {job.shown}: ended while nobody watched")
                self.ended(job.job_id)
        self._known = self._known._replace(doubtful=frozenset())
        for job in self.queue.held():
            self._rest(job)
        if not self._known.problem:
            self._tidy_spool()
        if self._journal.outdated:
            self._rewrite_journal()

    def _has_begun(self, job: LocalJob) -> bool:
        return has_begun(self._state, job, doubtful=job.job_id in self._known.doubtful)

    def _tidy_spool(self) -> None:
        """Remove what is left there of jobs that have ended, or that nobody was told of."""
        wanted = {job.job_id for job in self._records.live()} | self._records.live_ids
        wanted |= {job.job_id for job in self._spent}
        for name in os.listdir(self._state.spool):
            owner = name.lstrip(".").partition(".")[0]
            if not owner.isdecimal() or int(owner) not in wanted:
                try:
                    remove(os.path.join(self._state.spool, name))
                except OSError as error:
                    self._log(f"{error.filename} stays: {error.strerror}")

    @property
    def busy(self) -> bool:
        """Whether a job runs, or is to run again: only then can one become startable without a request."""
        return bool(self._processes.watched or self._rests)

    @property
    def next_start(self) -> float | None:
        """When a job that was lost may start again, by ``time.monotonic()``; None where none waits for that."""
        return min(self._rests.values(), default=None)

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
        for job_id in [one for one, until in self._rests.items() if until <= time.monotonic()]:
            del self._rests[job_id]
            self.queue.let_go(self._records.jobs[job_id])
            self._unplanned = True
        while self._unplanned and not self._stopping:
            self._unplanned = False
            plan = self.queue.plan(self.room, time.time())
            for job in plan.cancel:
                self.cancel(job)
            for job in plan.start:
                self._start(job)
        self._commit()
        self._processes.release()
        for job_id in self._to_end:
            self._processes.end(job_id)
        self._to_end.clear()

    def ended(self, job_id: int) -> None:
        """A job's supervisor is gone: record how the job ended, or have it wait again."""
        job = self._records.jobs[job_id]
        status, problem = self._processes.said_at_end(job_id)
        if status is None and job_id in self._known.doubtful:
            problem = self._known.problem
        job = self._processes.with_start(job)
        gone = True
        if status is None:
            self._log(f"job {job.shown}: its supervisor was killed{problem and '; '}{problem}")
            gone = self._processes.kill_orphans(job_id)
        lost = status is None and gone and not self._may_have_ended(job_id, problem)
        again = job.requeued or (lost and "requeue" in job.options)
        if status is not None and status["cause"] == "unreleased" and not job.cancelled:
            self._put(never_started(job))
        elif again and gone and not job.cancelled:
            self._forget(job_id, "alive", "pid", "status")
            self._put(pending_again(job) if job.requeued else pending_after_crash(job))
        else:
            self._put(job_at_end(job, status, problem))

    def _may_have_ended(self, job_id: int, problem: str) -> bool:
        """Whether a job whose end nobody has noted may have come to it: such a one is not run again."""
        return job_id in self._known.doubtful or bool(problem and not problem.endswith(EMPTY))

    def _commit(self) -> None:
        submissions, jobs = self._records.take_changes()
        if submissions:  # a submission of which somebody was told has its environment
            self._state.sync_spool()
            self._note_ids(submissions[-1].last_id)
        self._journal.append(submissions, jobs)
        for job in self._spent:
            if job.start is not None:
                self._forget(job.job_id, "alive", "pid", "status")
            if job.submission.job_id not in self._records.live_ids:
                self._forget(job.submission.job_id, "json")
        self._spent.clear()
        if self._journal.outdated:
            self._rewrite_journal()

    def _forget(self, job_id: int, *kinds: str) -> None:
        try:
            self._state.forget_spooled(job_id, *kinds)
        except OSError as error:
            self._log(f"{error.filename} stays: {error.strerror}")

    def _note_ids(self, last: int) -> None:
        if last > self._ids:
            with contextlib.suppress(OSError):  # it is for the day when the journal is damaged
                self._state.note_ids(last + IDS_AT_ONCE)
                self._ids = last + IDS_AT_ONCE

    def _rewrite_journal(self) -> None:
        """Write it anew; where there is no room for that, it stays as long as it is."""
        self._records.forget_ended(KEEP_JOBS)
        try:
            self._journal.rewrite(self._records.submissions.values(), self._records.jobs.values())
        except OSError as error:
            self._log(f"{error.filename or self._journal.path}: {error.strerror}")

    def _start(self, job: LocalJob) -> None:
        kill_wait = self._settings.kill_wait
        self._put(self._processes.start(job, room=self.room, kill_wait=kill_wait))

    def _put(self, job: LocalJob) -> None:
        self.queue.put(job)
        if job.state not in ACTIVE:
            self._unplanned = True
        if job.end is not None:
            self._spent.append(job)
        if job.state == "PENDING":
            self._rest(job)
        else:
            self._rests.pop(job.job_id, None)

    def _rest(self, job: LocalJob) -> None:
        """Have a job that was lost wait before it starts again, as long as nobody holds it for good."""
        hold = hold_of(job)
        if hold == HELD:
            self._log(f"job {job.shown}: held after {job.crashes} starts that were lost in a row")
        elif hold is not None:
            pause = pause_before(job, self._settings.requeue_pause)
            self._rests[job.job_id] = time.monotonic() + pause

    def submit(self, request: Mapping[str, Any]) -> str:
        """Take in what a client submits; its job id, or that of an earlier submission of its token and script."""
        known = self._records.find_by_token(request["token"], request["script"])
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
        client["submission"] = submission.record()
        try:
            self._state.write_spooled(submission.job_id, "json", client)
        except OSError as error:
            raise Refused(f"{error.filename}: {error.strerror}") from None
        self.room = room
        self.queue.add(submission)
        self._unplanned = True
        return str(submission.job_id)

    def cancel(self, job: LocalJob) -> None:
        """End a job for good; one that has ended already is left alone."""
        if job.state == "PENDING":
            self._put(job._replace(state="CANCELLED", end=time.time()))
        elif job.state in ACTIVE:
            self._put(job._replace(state="COMPLETING", cancelled=True))
            self._to_end.append(job.job_id)

    def release(self, job: LocalJob) -> None:
        """Have a job start again that was lost too often, or has still to wait, as if it had never been lost."""
        self.queue.let_go(job)
        self._put(job._replace(crashes=0))

    def requeue(self, job: LocalJob) -> None:
        """End a running job, to have it wait again."""
        self._put(job._replace(state="COMPLETING", requeued=True))
        self._to_end.append(job.job_id)
