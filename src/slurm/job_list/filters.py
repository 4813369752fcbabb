"""Which jobs of a list somebody wants to see. Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from slurm.config.checks import suggestion
from slurm.errors import ConfigError
from slurm.job_list.listed import ListedJob
from slurm.states import JobState

# squeue's short words, of those that somebody types.
SHORT = {
    "PD": "PENDING",
    "R": "RUNNING",
    "CG": "COMPLETING",
    "CD": "COMPLETED",
    "F": "FAILED",
    "CA": "CANCELLED",
    "TO": "TIMEOUT",
    "OOM": "OUT_OF_MEMORY",
    "NF": "NODE_FAIL",
    "PR": "PREEMPTED",
}


@dataclass(frozen=True)
class Filter:
    """What all of a list's jobs must have; nothing is asked for by what is empty.

    - `name`, `task`: patterns as a shell has them, ``train*``; `states`: any of these, of an array in any of its elements.
    - `token`: of the submission; `ours`: only what this SDK has submitted; `limit`: the last so many of them.

    >>> jobs = [ListedJob("12", "train", state=JobState.FAILED), ListedJob("13", "test")]
    >>> [job.job_id for job in Filter(name="t*", states=states_of("failed")).of(jobs)]
    ['12']
    """

    name: str = ""
    task: str = ""
    token: str = ""
    states: Sequence[JobState] = ()
    ours: bool = False
    live: bool = False
    limit: int | None = None

    def of(self, jobs: Iterable[ListedJob]) -> list[ListedJob]:
        """Those that match, the last `limit` of them.

        >>> [job.job_id for job in Filter(limit=1).of([ListedJob("12", "train"), ListedJob("13", "test")])]
        ['13']
        """
        found = list(filter(self.matches, jobs))
        return found if self.limit is None else found[-self.limit :]

    def matches(self, job: ListedJob) -> bool:
        """Whether a job has all of it.

        >>> Filter(ours=True).matches(ListedJob("12", "train"))
        False
        """
        return (
            (job.ours or not self.ours)
            and (job.live or not self.live)
            and (not self.token or job.token == self.token)
            and _is_like(job.name, self.name)
            and _is_like(job.task, self.task)
            and (not self.states or any(one in self.states for one in job.states or (job.state,)))
        )


def _is_like(name: str, pattern: str) -> bool:
    return not pattern or fnmatch.fnmatchcase(name, pattern)


def states_of(words: str) -> tuple[JobState, ...]:
    """The states in ``failed,TIMEOUT`` or ``PD``. Raises `ConfigError` for another word.

    >>> [str(state) for state in states_of("failed,PD")]
    ['FAILED', 'PENDING']
    """
    found = []
    for word in filter(None, (one.strip() for one in words.split(","))):
        name = SHORT.get(word.upper(), word.upper())
        if name not in JobState.__members__:
            near = suggestion(name, JobState.__members__)
            raise ConfigError(
                f"there is no state {word!r}{near}; states are Slurm's: RUNNING, PENDING, FAILED"
            )
        found.append(JobState(name))
    return tuple(found)
