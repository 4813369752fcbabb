"""A job as a list has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from slurm.states import JobState

JOB, WORKFLOW, ARRAY, ELEMENT = "job", "workflow", "array", "element"


@dataclass(frozen=True)
class ListedJob:
    """A job, an array as one, or one element of it.

    - `job_id`: as Slurm writes it: ``12``, ``12_3``, ``12_[0-99]``; `submissions`: of an array that took several, their ids;
      `kind`: ``job``, ``workflow``, ``array`` or ``element``.
    - `name`: the scheduler's; `task`: of the task, empty for what is not ours.
    - `ours`: whether this SDK has submitted it; `directory`: its directory then; `token`: of its submission; `workflow`:
      the id of the workflow that submitted it.
    - `state`, `reason`, `exit_code`: the scheduler's words, UNKNOWN where nobody knows how it ended; of an array `states`
      has how many of its elements are in which.
    - `partition`, `nodes`, `cpus`: what it has, or waits for; `node`: where it runs or ran.
    - `submitted`, `may_start`, `started`, `ended`: seconds since the epoch, None for what has not happened or is not known.
    - `elapsed`: the seconds it has run; `time_limit`: those it may.

    >>> job = ListedJob("12", "train", state=JobState.RUNNING, started=60.0)
    >>> job.live, job.ours
    (True, False)
    """

    job_id: str
    name: str
    kind: str = JOB
    task: str = ""
    ours: bool = False
    state: JobState = JobState.UNKNOWN
    reason: str = ""
    exit_code: str = ""
    states: Mapping[JobState, int] = field(default_factory=dict)
    partition: str = ""
    node: str = ""
    nodes: int | None = None
    cpus: int | None = None
    submitted: float | None = None
    may_start: float | None = None
    started: float | None = None
    ended: float | None = None
    elapsed: float | None = None
    time_limit: int | None = None
    directory: str = ""
    token: str = ""
    workflow: str = ""
    submissions: tuple[str, ...] = ()

    @property
    def live(self) -> bool:
        """Whether it has not ended; of an array any of it.

        >>> ListedJob("12", "train", state=JobState.FAILED).live
        False
        """
        from slurm.job_tree.nodes import OVER

        return any(state not in OVER for state in self.states or (self.state,))

    @property
    def number(self) -> str:
        """The id of the job or the array without its tasks.

        >>> ListedJob("12_[0-99]", "train").number
        '12'
        """
        return self.job_id.partition("_")[0]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids by which the scheduler is told of all of it.

        >>> ListedJob("12_3", "train", kind="element").ids, ListedJob("12_[0-99]", "train", kind="array").ids
        (('12_3',), ('12',))
        """
        return self.submissions or ((self.number,) if self.kind == ARRAY else (self.job_id,))
