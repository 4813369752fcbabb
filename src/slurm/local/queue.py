"""The queue of the local scheduler: which job starts next, and why another does not. Pure.

A job that waits for others is looked at again only when one of those has moved, and of those that
could start only as many as there is room for, so that thousands may be pending.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from slurm.local.backfill import Admission
from slurm.local.holds import hold_of
from slurm.local.jobs import LIVE, JobSpec, LocalJob, array_observation, spokesman
from slurm.local.ready import ReadyJobs
from slurm.local.records import Records
from slurm.local.requests import Resources, cost_of
from slurm.local.waiting import WaitingJobs

NEVER = "DependencyNeverSatisfied"


class Plan(NamedTuple):
    """What is to happen now: jobs to `start`, and jobs to `cancel`."""

    start: tuple[LocalJob, ...]
    cancel: tuple[LocalJob, ...]


class Queue:
    """The pending jobs of `records`, in the order they came: first come, first served.

    What does not fit lets those behind it pass as long as they do not delay it, see `backfill`.
    """

    def __init__(self, records: Records) -> None:
        self.records = records
        self._waiting = WaitingJobs(records)
        self._ready = ReadyJobs()
        self._orchestrators = ReadyJobs()  # they take no room, so each starts at once
        self._held: dict[int, str] = {}  # jobs that were lost too often, and why they do not start
        self._head: int | None = None  # the first job there is no room for
        for job_id in sorted(records.live_ids):
            self._enter(records.submissions[job_id])

    def add(self, submission: JobSpec) -> None:
        """Take in a new submission."""
        self.records.add(submission)
        self._enter(submission)

    def _enter(self, submission: JobSpec) -> None:
        jobs = [self.records.jobs[job_id] for job_id in submission.job_ids]
        waiting = [job for job in jobs if job.state == "PENDING"]
        held = {job.job_id: hold for job in waiting if (hold := hold_of(job)) is not None}
        self._held.update(held)
        pending = [job.job_id for job in waiting if job.job_id not in held]
        if pending and submission.options.get("dependency"):
            self._waiting.add(submission, pending)
        elif pending:
            self._queue_of(submission).add(submission, pending)

    def put(self, job: LocalJob) -> None:
        """Take in what has become of a known job."""
        before = self.records.put(job)
        hold = hold_of(job) if job.state == "PENDING" else None
        if before.state == "PENDING" != job.state:
            self._held.pop(job.job_id, None)
            self._waiting.discard(before)
            self._queue_of(job.submission).discard(before)
        elif hold is not None:
            self._held[job.job_id] = hold
        elif job.state == "PENDING" != before.state:  # what it had waited for has happened
            self._queue_of(job.submission).add(job.submission, [job.job_id])
        if before.begun != job.begun or (before.state in LIVE) != (job.state in LIVE):
            self._waiting.stir(job)

    def held(self) -> Iterator[LocalJob]:
        """Jobs that were lost and are not to start yet, see `holds`."""
        return (self.records.jobs[job_id] for job_id in self._held)

    def let_go(self, job: LocalJob) -> None:
        """Have a job that was held start when there is room."""
        if self._held.pop(job.job_id, None) is not None:
            self._queue_of(job.submission).add(job.submission, [job.job_id])

    def plan(self, machine: Resources, now: float) -> Plan:
        """What may start on `machine`, in order; whoever asks is going to `put` it as started."""
        cancel = []
        for job, holds in list(self._waiting.review()):
            if holds:
                self._waiting.discard(job)
                self._queue_of(job.submission).add(job.submission, [job.job_id])
            elif job.options.get("kill-on-invalid-dep") == "yes":
                cancel.append(job._replace(reason=NEVER))
            else:
                self._waiting.never.add(job.job_id)
        free = (self._admissible(self._orchestrators, one) for one in self._orchestrators)
        start = itertools.chain(*free, self._fitting(machine, now))
        return Plan(tuple(start), tuple(cancel))

    def _fitting(self, machine: Resources, now: float) -> Iterator[LocalJob]:
        self._head = None
        running = (
            (_latest_end(job.submission, job.start or now), cost_of(job.submission, machine))
            for job in self.records.active.values()
        )
        admission = Admission(machine, running)
        hopeless: set[tuple[int, int | None, int | None]] = set()
        for job_id in self._ready:
            if admission.over:
                return
            submission = self.records.submissions[job_id]
            shape = (submission.cpus, submission.mem, submission.time_limit)
            if shape in hopeless:
                continue
            cost, end = cost_of(submission, machine), _latest_end(submission, now)
            for job in self._admissible(self._ready, job_id):
                if not admission.admit(cost, end):
                    self._head = self._head or job.job_id
                    hopeless.add(shape)
                    break
                yield job

    def _admissible(self, ready: ReadyJobs, job_id: int) -> Iterator[LocalJob]:
        """The ready jobs of a submission, as many as its array lets run at once."""
        array = self.records.submissions[job_id].array
        most = None
        if array is not None and array.limit is not None:
            most = max(array.limit - self.records.progress[job_id].active, 0)
        chosen = itertools.islice(ready.jobs_of(job_id), most)
        return (self.records.jobs[one] for one in chosen)

    def row(self, shown: str) -> dict[str, Any] | None:
        """What a client is told of the job or array with this id, which is given as it was asked for."""
        jobs = self.records.find(shown)
        if not jobs:
            return None
        if jobs[0].index is None or shown != str(jobs[0].submission.job_id):
            return {**jobs[0].observation(), "reason": self.reason(jobs[0]), "job_id": shown}
        return {**array_observation(jobs), "reason": self.reason(spokesman(jobs))}

    def reason(self, job: LocalJob) -> str:
        """Why a job is where it is, in Slurm's words."""
        if job.state != "PENDING":
            return job.reason
        if job.job_id in self._held:
            return self._held[job.job_id]
        if job.job_id in self._waiting.never:
            return NEVER
        if job in self._waiting:
            return "Dependency"
        array, progress = job.submission.array, self.records.progress[job.submission.job_id]
        if array is not None and array.limit is not None and progress.active >= array.limit:
            return "JobArrayTaskLimit"
        return "Resources" if job.job_id == self._head else "Priority"

    def _queue_of(self, submission: JobSpec) -> ReadyJobs:
        return self._orchestrators if submission.orchestrator else self._ready


def _latest_end(submission: JobSpec, start: float) -> float:
    return math.inf if submission.time_limit is None else start + submission.time_limit
