"""Which jobs are shown, and in which order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slurm.job_list import ListedJob
from slurm.job_list.listed import ELEMENT
from slurm.job_tree.nodes import BAD
from slurm.states import JobState

ALL, LIVE, FAILED = "all", "live", "failed"
WHICH = (ALL, LIVE, FAILED)
# Who cancels a job knows it; of what is unknown nobody knows whether it failed.
FAILURES = BAD - {JobState.CANCELLED, JobState.UNKNOWN}
# In which order: by what, and whether the largest is first. What is equal stays as it was submitted, the last first.
ORDERS: Mapping[str, tuple[Callable[[ListedJob], Any], bool]] = {
    "submitted": (lambda job: 0, False),
    "name": (lambda job: job.name.lower(), False),
    "state": (lambda job: (not job.live, str(job.state)), False),
    "time": (lambda job: job.elapsed or 0.0, True),
}


@dataclass(frozen=True)
class View:
    """What somebody wants to see: `which` of all jobs, with the words of `search` in them, in the order `order`.

    >>> jobs = [ListedJob("12", "train", state=JobState.RUNNING), ListedJob("13", "test", state=JobState.FAILED)]
    >>> [job.job_id for job in View().of(jobs)], [job.job_id for job in View(FAILED).of(jobs)]
    (['13', '12'], ['13'])
    >>> [job.job_id for job in View(search="run TRAIN").of(jobs)]
    ['12']
    """

    which: str = ALL
    search: str = ""
    order: str = "submitted"

    def of(self, jobs: Iterable[ListedJob]) -> list[ListedJob]:
        """Those of the jobs, which are in the order of their submission."""
        words = self.search.lower().split()
        found = [job for job in jobs if _is(job, self.which) and _has(job, words)]
        found.reverse()
        by, largest_first = ORDERS[self.order]
        return sorted(found, key=by, reverse=largest_first)


def _is(job: ListedJob, which: str) -> bool:
    if which == LIVE:
        return job.live
    return which == ALL or any(state in FAILURES for state in job.states or (job.state,))


def _has(job: ListedJob, words: Sequence[str]) -> bool:
    if not words:
        return True
    told = (job.job_id, job.name, job.task, str(job.state), job.reason, job.node, job.partition)
    text = " ".join(told).lower()
    return all(word in text for word in words)


def after(one: str, all_of_them: Sequence[str]) -> str:
    """The next of them, behind the last the first.

    >>> after("live", WHICH), after("failed", WHICH)
    ('failed', 'all')
    """
    return all_of_them[(all_of_them.index(one) + 1) % len(all_of_them)]


def identity(job: ListedJob) -> tuple[str, ...]:
    """By what a job is known again in a later answer: of an array the word for its tasks changes.

    >>> identity(ListedJob("12_[0-9]", "train", kind="array")) == identity(ListedJob("12_[4-9]", "train", kind="array"))
    True
    """
    return (job.directory, job.job_id if job.kind == ELEMENT else job.number)


def changed(before: Sequence[ListedJob], now: Sequence[ListedJob]) -> bool:
    """Whether anything happened between two answers, but that time has passed.

    >>> job = ListedJob("12", "train", state=JobState.RUNNING, elapsed=1.0)
    >>> changed([job], [ListedJob("12", "train", state=JobState.RUNNING, elapsed=2.0)])
    False
    """
    return [_news(job) for job in before] != [_news(job) for job in now]


def _news(job: ListedJob) -> tuple[Any, ...]:
    return (job.job_id, job.state, job.reason, job.node, job.states)
