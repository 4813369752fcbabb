"""The queue of the local scheduler: which job starts next, and why another does not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from slurm.local.jobs import (
    ACTIVE,
    LIVE,
    LocalJob,
    check_dependency,
    dependency_holds,
    new_job,
)

NEVER = "DependencyNeverSatisfied"


@dataclass(frozen=True)
class Plan:
    """What is to happen now: jobs to `start`, jobs to `cancel`, and the `waiting` with new reasons."""

    start: tuple[LocalJob, ...]
    cancel: tuple[LocalJob, ...]
    waiting: tuple[LocalJob, ...]


class Queue:
    """All jobs the scheduler knows, and what of them has changed since the last look.

    Job ids only ever grow, and a job id is never used twice.
    """

    def __init__(self, jobs: Mapping[int, LocalJob]) -> None:
        self.jobs = dict(jobs)
        self._next_id = max(jobs, default=0) + 1
        self._live = {job.job_id: job for job in self.jobs.values() if job.state in LIVE}
        self._tokens = {job.token: job.job_id for job in self.jobs.values()}
        self._changed: dict[int, LocalJob] = {}

    def find_by_token(self, token: str) -> int | None:
        """The job of an earlier submission with this token."""
        return self._tokens.get(token)

    def draft(self, request: Mapping[str, Any], now: float) -> LocalJob:
        """The job a request would become; nothing changes yet. Raises `Refused`."""
        job = new_job(self._next_id, request, now)
        check_dependency(job.options.get("dependency", ""), self.jobs)
        return job

    def put(self, job: LocalJob) -> None:
        """Take in a new job, or what has become of a known one."""
        self.jobs[job.job_id] = self._changed[job.job_id] = job
        self._tokens[job.token] = job.job_id
        self._next_id = max(self._next_id, job.job_id + 1)
        if job.state in LIVE:
            self._live[job.job_id] = job
        else:
            self._live.pop(job.job_id, None)

    def take_changes(self) -> list[LocalJob]:
        """Jobs that are new or different since the last call, each as it is now."""
        changed = list(self._changed.values())
        self._changed.clear()
        return changed

    def live(self) -> list[LocalJob]:
        """Jobs that have not ended, in the order they came."""
        return [job for _, job in sorted(self._live.items())]

    def pending(self) -> list[LocalJob]:
        """Jobs that have not started, in the order they came."""
        return [job for job in self.live() if job.state == "PENDING"]

    def active(self) -> list[LocalJob]:
        """Jobs whose processes run."""
        return [job for job in self.live() if job.state in ACTIVE]

    def plan(self, max_cpus: int) -> Plan:
        """First come, first served; what does not fit lets smaller jobs behind it pass.

        Orchestrators wait for others, so they never take a cpu from them.
        """
        free = max_cpus - sum(_cost(job, max_cpus) for job in self.active())
        start, cancel, waiting = [], [], []
        blocked = "Resources"
        live = self.live()
        for job in self.pending():
            holds = dependency_holds(job, self.jobs, live)
            if holds is None and job.options.get("kill-on-invalid-dep") == "yes":
                cancel.append(replace(job, reason=NEVER))
            elif not holds:
                waiting.append(replace(job, reason=NEVER if holds is None else "Dependency"))
            elif _cost(job, max_cpus) <= max(free, 0):
                free -= _cost(job, max_cpus)
                start.append(job)
            else:
                waiting.append(replace(job, reason=blocked))
                blocked = "Priority"
        return Plan(tuple(start), tuple(cancel), tuple(waiting))

    def set_reason(self, job: LocalJob) -> None:
        """Remember why a job waits; this is worked out anew after a restart, so it is no change."""
        self.jobs[job.job_id] = self._live[job.job_id] = job


def _cost(job: LocalJob, max_cpus: int) -> int:
    return 0 if job.orchestrator else min(job.cpus, max_cpus)
