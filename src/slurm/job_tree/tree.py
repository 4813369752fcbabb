"""The tree that a user holds."""

from __future__ import annotations

import datetime
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slurm.errors import RemoteFileMissing
from slurm.job_tree import words
from slurm.job_tree.build import build
from slurm.job_tree.nodes import JobNode, states_of
from slurm.states import JobState

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.cluster import Cluster

MOST_DIRECTORIES = 50_000
ROWS_OF_TEXT = 40


@dataclass(frozen=True)
class JobTree:
    """The jobs in and under a directory, as their metadata files tell: nobody asks a scheduler.

    - `path`: the directory; `seen_at`: when it was looked at, by the clock there.
    - `nodes`: the jobs that no other job of the tree submitted; theirs are the `JobNode.children`.
    - `complete`: False when there were too many directories to look into all of them.

    Draw it with `to_text`, `to_mermaid` and `to_html`.

    >>> from slurm import JobTree
    >>> tree = JobTree.from_dir(job.job_dir)
    >>> [(node.task_name, str(node.state)) for node in tree.walk()]
    [('double', 'COMPLETED')]
    """

    path: str
    nodes: tuple[JobNode, ...]
    seen_at: datetime.datetime
    complete: bool = True

    @classmethod
    def from_dir(cls, path: str | os.PathLike[str], cluster: Cluster | None = None) -> JobTree:
        """The tree of a job's directory, an array's, that of all runs of a task, or a `job_base_dir`.

        `path` is on this machine, or on `cluster` where that is given; ``~`` is the home there. It is
        read in one round trip. Raises `RemoteFileMissing` when there is no such directory or no job
        in it, `RemoteFileError` when it cannot be read.

        >>> from slurm import JobTree
        >>> here = JobTree.from_dir(array.job_dir)
        >>> there = JobTree.from_dir(array.job_dir, cluster)
        >>> here.nodes == there.nodes
        True
        """
        found = _backend_of(cluster).collect_metadata(os.fspath(path), MOST_DIRECTORIES)
        if not found.files:
            raise RemoteFileMissing(
                f"there is no job in {found.path}: give the directory of a job, of a task's runs, or "
                "a job_base_dir"
            )
        seen_at = datetime.datetime.fromtimestamp(found.now, datetime.timezone.utc)
        return cls(found.path, build(found.files), seen_at, found.complete)

    def __repr__(self) -> str:
        """A line: all the jobs would be pages."""
        states = self.states()
        return f"<JobTree {self.path}: {words.counted(states)}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the numbers, and the tree as text."""
        from slurm.job_tree import cards

        states = self.states()
        rows = [("jobs", cards.progress(states, max(1, sum(states.values()))))]
        rows += [("seen at", words.clock(self.seen_at))]
        return cards.card(f"Jobs in {self.path}", rows) + cards.drawing(self.to_text())

    def walk(self) -> Iterator[JobNode]:
        """All jobs, those that submit others before these.

        >>> from slurm import JobTree
        >>> [node.kind for node in JobTree.from_dir(array.job_dir).walk()]
        ['array', 'job', 'job', 'job']
        """
        for node in self.nodes:
            yield from node.walk()

    def states(self) -> Counter[JobState]:
        """How many jobs are in which state, the elements of arrays counted one by one.

        >>> from slurm import JobTree
        >>> JobTree.from_dir(array.job_dir).states()["COMPLETED"]
        3
        """
        elements = {
            child.path for node in self.walk() if node.kind == "array" for child in node.children
        }
        return states_of(node for node in self.walk() if node.path not in elements)

    def to_text(self, *, unfold: bool = False) -> str:
        """The tree as text, a line for each job; of many jobs of one task one line, unless `unfold`.

        >>> from slurm import JobTree
        >>> print(JobTree.from_dir(array.job_dir).to_text(), end="")
        double × 3  ...  3 COMPLETED  ... s
        """
        from slurm.job_tree import text
        from slurm.job_tree.rows import fold

        return text.draw(fold(self.nodes, ROWS_OF_TEXT), self.seen_at, unfold=unfold)

    def to_mermaid(self) -> str:
        """The tree as a Mermaid flowchart: jobs, what waits for what, states and durations.

        >>> from slurm import JobTree
        >>> print(JobTree.from_dir(job.job_dir).to_mermaid())
        flowchart LR
          n1("double · ...<br/>COMPLETED · ... s")
        ...
        """
        from slurm.job_tree import mermaid

        return mermaid.draw(self.nodes, self.seen_at)

    def to_html(self) -> str:
        """The tree as one page with a timeline, which needs neither a network nor a server.

        >>> from pathlib import Path
        >>> from slurm import JobTree
        >>> _ = Path("tree.html").write_text(JobTree.from_dir(job.job_dir).to_html(), "utf-8")
        """
        from slurm.job_tree import page

        return page.draw(self)


def _backend_of(cluster: Cluster | None) -> BackendBase:
    if cluster is not None:
        return cluster.backend
    from slurm.api.slurm_cli import SlurmCliBackend

    return SlurmCliBackend()  # asked about files only
