"""Jobs of the local scheduler that wait for other jobs. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from slurm.local.dependencies import ParsedDependency, may_start, parse_dependency
from slurm.local.jobs import JobSpec, LocalJob
from slurm.local.records import Records


class WaitingJobs:
    """Pending jobs that wait for others, by submission."""

    def __init__(self, records: Records) -> None:
        self.never: set[int] = set()  # job ids whose dependency can never hold
        self._records = records
        self._jobs: dict[int, set[int]] = {}
        self._waiters: dict[int, set[int]] = {}  # a job or submission -> those that wait for it
        self._singletons: dict[str, set[int]] = {}
        self._stirred: dict[int, set[int] | None] = {}  # which jobs to look at; None for all

    def add(self, submission: JobSpec, job_ids: Iterable[int]) -> None:
        """Have these pending jobs of a submission wait, at least until the next `review`."""
        self._jobs[submission.job_id] = set(job_ids)
        self._stirred[submission.job_id] = None
        dependency = _dependency(submission)
        for target in self._targets(dependency):
            self._waiters.setdefault(target, set()).add(submission.job_id)
        if dependency.singleton:
            self._singletons.setdefault(submission.name, set()).add(submission.job_id)

    def __contains__(self, job: LocalJob) -> bool:
        return job.job_id in self._jobs.get(job.submission.job_id, ())

    def discard(self, job: LocalJob) -> None:
        """Have a job wait no longer."""
        self.never.discard(job.job_id)
        jobs = self._jobs.get(job.submission.job_id)
        if jobs is not None:
            jobs.discard(job.job_id)
            if not jobs:
                self._forget(job.submission)

    def _forget(self, submission: JobSpec) -> None:
        del self._jobs[submission.job_id]
        self._stirred.pop(submission.job_id, None)
        dependency = _dependency(submission)
        for target in self._targets(dependency):
            self._waiters[target].discard(submission.job_id)
            if not self._waiters[target]:
                del self._waiters[target]
        if dependency.singleton:
            self._singletons[submission.name].discard(submission.job_id)
            if not self._singletons[submission.name]:
                del self._singletons[submission.name]

    def stir(self, job: LocalJob) -> None:
        """A job has begun or ended: who waits for it is looked at in the next `review`."""
        moved = job.submission
        if job.job_id != moved.job_id:
            self._stirred.update(dict.fromkeys(self._waiters.get(job.job_id, ())))
        for waiter in self._waiters.get(moved.job_id, ()):
            element = self._counterpart(waiter, job)
            if element is None:
                self._stirred[waiter] = None
            else:
                chosen = self._stirred.setdefault(waiter, set())
                if chosen is not None:
                    chosen.add(element)
        if moved.name in self._singletons:
            first = min(self._records.live_named.get(moved.name, ()), default=0)
            if first in self._singletons[moved.name]:
                self._stirred[first] = None

    def _counterpart(self, waiter: int, job: LocalJob) -> int | None:
        """The only job of `waiter` that this one can concern; None when it may concern any."""
        submission = self._records.submissions[waiter]
        if job.index is None or not self._records.progress[job.submission.job_id].live:
            return None
        for one in _dependency(submission).conditions:
            if one.job_id == job.submission.job_id and one.kind != "aftercorr":
                return None
        return submission.element(job.index)

    def review(self) -> Iterator[tuple[LocalJob, bool | None]]:
        """What can be said anew: jobs that may start (True), or never will (None)."""
        while self._stirred:
            job_id, chosen = self._stirred.popitem()
            submission = self._records.submissions[job_id]
            dependency = _dependency(submission)
            waiting = self._jobs.get(job_id, set())
            one_for_all: bool | None = None
            if not dependency.by_element:
                one_for_all = self._may_start(dependency, submission, None)
                if one_for_all is False and not self.never:
                    continue
            for one in sorted(waiting if chosen is None else waiting & chosen):
                job, holds = self._records.jobs[one], one_for_all
                if dependency.by_element:
                    holds = self._may_start(dependency, submission, job.index)
                if holds is False:
                    self.never.discard(one)
                else:
                    yield job, holds

    def _may_start(
        self, dependency: ParsedDependency, submission: JobSpec, index: int | None
    ) -> bool | None:
        first = True
        if dependency.singleton:
            alive = self._records.live_named.get(submission.name, ())
            first = submission.job_id <= min(alive, default=math.inf)
        return may_start(dependency, lambda one: self._records.standing(one, index), first)

    def _targets(self, dependency: ParsedDependency) -> set[int]:
        found = map(self._records.target_of, dependency.conditions)
        return {one for one in found if one is not None}


def _dependency(submission: JobSpec) -> ParsedDependency:
    return parse_dependency(submission.options.get("dependency", ""))
