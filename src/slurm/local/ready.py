"""Jobs of the local scheduler that could start at once. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator

from slurm.local.jobs import JobSpec, LocalJob


class ReadyJobs:
    """Ids of jobs by submission, in the order they came."""

    def __init__(self) -> None:
        self._order: list[int] = []  # of the submissions
        self._jobs: dict[int, list[int]] = {}

    def __iter__(self) -> Iterator[int]:
        return iter(self._order)

    def jobs_of(self, job_id: int) -> list[int]:
        """The ready jobs of a submission."""
        return self._jobs[job_id]

    def add(self, submission: JobSpec, job_ids: Iterable[int]) -> None:
        """Take in jobs of one submission."""
        jobs = self._jobs.get(submission.job_id)
        if jobs is None:
            bisect.insort(self._order, submission.job_id)
            jobs = self._jobs[submission.job_id] = []
        for job_id in job_ids:
            bisect.insort(jobs, job_id)

    def discard(self, job: LocalJob) -> None:
        """Take out a job, if it is there."""
        key = job.submission.job_id
        jobs = self._jobs.get(key, [])
        if _remove(jobs, job.job_id) and not jobs:
            del self._jobs[key]
            _remove(self._order, key)


def _remove(ordered: list[int], number: int) -> bool:
    place = bisect.bisect_left(ordered, number)
    found = ordered[place : place + 1] == [number]
    if found:
        del ordered[place]
    return found
