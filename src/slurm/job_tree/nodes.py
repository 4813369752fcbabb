"""The jobs of a tree as plain data, and what can be said of several of them together."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from slurm.states import ACTIVE, ENDED, ENDED_IF_IT_STAYS, JobState

JOB, WORKFLOW, ARRAY = "job", "workflow", "array"
OVER = ENDED | ENDED_IF_IT_STAYS | {JobState.UNKNOWN}
BAD = OVER - {JobState.COMPLETED}


@dataclass(frozen=True)
class Wait:
    """One thing that a job waits for.

    `job_id` and `type` are those of sbatch's ``--dependency``; `path` is the `JobNode.path` of that
    job, empty where it is not in the tree.
    """

    job_id: str
    type: str = "afterok"
    path: str = ""


@dataclass(frozen=True)
class JobNode:
    """One job of a `JobTree`, as its ``metadata.json`` tells of it.

    - `path`: its directory, below the tree's; ``.`` for that one itself.
    - `kind`: ``job``, ``workflow``, or ``array`` (whose elements are its `children`).
    - `state`: Slurm's word; what nobody noted a job's end for is still RUNNING or PENDING here.
    - `submitted`, `started`, `ended`: times in UTC, None where nobody noted one.
    - `attempt`: 0 before it ran; `node`: where it ran; `error`: why it has no result, in a line.
    - `waits_for`: its dependencies; `children`: the jobs it submitted, or its elements.
    - `count`: how many jobs it is: the items of an array, also those nothing is known of yet; else 1.
    - `index`: its place in its array, None outside of one.

    >>> from slurm import JobTree
    >>> [node] = JobTree.from_dir(job.job_dir).nodes
    >>> node.task_name, node.kind, str(node.state), node.job_id == job.id
    ('double', 'job', 'COMPLETED', True)
    """

    path: str
    task_name: str
    job_id: str = ""
    kind: str = JOB
    state: JobState = JobState.PENDING
    submitted: datetime.datetime | None = None
    started: datetime.datetime | None = None
    ended: datetime.datetime | None = None
    attempt: int = 0
    node: str = ""
    error: str = ""
    waits_for: tuple[Wait, ...] = ()
    children: tuple[JobNode, ...] = ()
    count: int = 1
    index: int | None = None

    def walk(self) -> Iterator[JobNode]:
        """This job and all below it, parents first.

        >>> from slurm import JobTree
        >>> [node] = JobTree.from_dir(array.job_dir).nodes
        >>> [one.index for one in node.walk()]
        [None, 0, 1, 2]
        """
        yield self
        for child in self.children:
            yield from child.walk()

    def states(self) -> Counter[JobState]:
        """How many jobs of it are in which state: one, unless it is an array.

        >>> from slurm import JobTree
        >>> [node] = JobTree.from_dir(array.job_dir).nodes
        >>> dict(node.states()) == {"COMPLETED": 3}
        True
        """
        if self.kind != ARRAY:
            return Counter({self.state: 1})
        counts = Counter(child.state for child in self.children)
        if self.count > len(self.children):
            counts[JobState.PENDING] += self.count - len(self.children)
        return counts


def states_of(nodes: Iterable[JobNode]) -> Counter[JobState]:
    """How many jobs of these are in which state, those below them left aside."""
    counts: Counter[JobState] = Counter()
    for node in nodes:
        counts.update(node.states())
    return counts


def overall(counts: Counter[JobState]) -> JobState:
    """One state for many jobs: RUNNING while there is more to come, then what went wrong most often."""
    if not counts:
        return JobState.PENDING
    going = sum(counts[state] for state in counts if state in ACTIVE)
    waiting = sum(counts[state] for state in counts if state not in OVER and state not in ACTIVE)
    over = sum(counts.values()) - going - waiting
    if going or (waiting and over):
        return JobState.RUNNING
    if waiting:
        return JobState.PENDING
    bad = Counter({state: count for state, count in counts.items() if state in BAD})
    return bad.most_common(1)[0][0] if bad else JobState.COMPLETED
