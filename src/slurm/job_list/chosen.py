"""Jobs of a list that somebody names, by ids or directories. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from slurm.agent.job_ids import tasks_in
from slurm.errors import ConfigError
from slurm.job_list.listed import ELEMENT, ListedJob

SHOWN = 5
_TASKS = r"[0-9]+(-[0-9]+)?(:[1-9][0-9]*)?"
# What scancel would take for all of an array, as 12_ and 12_[0-1, is no id here.
ID = re.compile(rf"[0-9]+(_[0-9]+|_\[{_TASKS}(,{_TASKS})*(%[0-9]+)?\])?")


def named(word: str, jobs: Sequence[ListedJob]) -> list[ListedJob]:
    """The jobs that a word stands for: an id, an array's, ``12_3``, ``12_[0-4]``, or the directory of one.

    `jobs` are elements one by one. Of two jobs with one id the one that has not ended is meant; raises `ConfigError` where
    that is none of ours and one of ours had the id before it, and where there is no such job.

    >>> jobs = [ListedJob(f"12_{task}", "train", kind=ELEMENT) for task in range(3)] + [ListedJob("13", "test")]
    >>> [job.job_id for job in named("12_[0-1]", jobs)], [job.job_id for job in named("13", jobs)]
    (['12_0', '12_1'], ['13'])
    """
    if "/" in word:
        path = word.rstrip("/")
        found = [job for job in jobs if job.directory == path]
    else:
        found = _with_id(word, jobs)
    if not found:
        raise ConfigError(
            f"there is no job {word} of yours in the queue, or that ended lately: slurm jobs list shows those there are"
        )
    return found


def _with_id(word: str, jobs: Sequence[ListedJob]) -> list[ListedJob]:
    if not ID.fullmatch(word):
        raise ConfigError(
            f"JOB {word!r} is neither an id, such as 12, 12_3 or 12_[0-4], nor a directory on the cluster, which begins with /"
        )
    number, tasks = tasks_in(word)
    found = [job for job in jobs if job.number == number]
    live = [job for job in found if job.live]
    before = [job for job in found if job.ours and not job.live]
    if live and before and not any(job.ours for job in live):
        raise ConfigError(
            f"{word} was the id of {before[0].name} in {before[0].directory}, which has ended, and is that of "
            f"{live[0].name} now, which is not the SDK's: scancel {word} cancels that"
        )
    if live and any(job.kind != ELEMENT for job in found):
        found = live
    if tasks:
        return [job for job in found if any(_task_of(job) in some for some in tasks)]
    arrays = {job.directory for job in found if job.kind == ELEMENT and job.directory}
    # An array with more tasks than a submission holds has several ids, each of which stands for all of it.
    return found if not arrays else [job for job in jobs if job.directory in arrays]


def _task_of(job: ListedJob) -> int:
    """Which task of its array it is; -1 for a job by itself."""
    task = job.job_id.partition("_")[2]
    return int(task) if task.isdecimal() else -1


def in_words(jobs: Iterable[ListedJob]) -> str:
    """Some jobs by ids and names, not too many.

    >>> in_words([ListedJob("12", "train"), ListedJob("13", "test")])
    '12 train, 13 test'
    """
    names = [f"{job.job_id} {job.name}" for job in jobs]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
