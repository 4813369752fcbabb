"""The rows of a drawing: jobs, with those of one task folded into one row where they are too many. Pure."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slurm.job_tree.nodes import ARRAY, BAD, OVER, JobNode, overall, states_of
from slurm.states import JobState

FEW = 3  # jobs of one task, which stay rows of their own


@dataclass(frozen=True)
class Row:
    """A row of a drawing: one job, or several siblings of one task; `rows` are those below it."""

    members: tuple[JobNode, ...]
    rows: tuple[Row, ...] = ()

    @property
    def node(self) -> JobNode | None:
        """The job, workflow or array of this row; None for a group of siblings."""
        return self.members[0] if len(self.members) == 1 else None

    @property
    def key(self) -> str:
        """Names the row among all of a drawing."""
        return self.first.path + ("*" if len(self.members) > 1 else "")

    @property
    def first(self) -> JobNode:
        return self.members[0]

    @property
    def folded(self) -> bool:
        """Whether the rows below are members of this one rather than its children."""
        return len(self.members) > 1 or self.first.kind == ARRAY

    @property
    def count(self) -> int:
        return sum(node.count for node in self.members)

    @property
    def states(self) -> Counter[JobState]:
        return states_of(self.members)

    @property
    def state(self) -> JobState:
        return self.first.state if len(self.members) == 1 else overall(self.states)

    @property
    def name(self) -> str:
        """What the row is called: the task, or an element's place in its array."""
        if self.node and self.node.index is not None:
            return f"[{self.node.index}]"
        return self.first.task_name

    @property
    def job_id(self) -> str:
        """The scheduler's id; for a group the first and the last one."""
        ids = [node.job_id for node in self.members if node.job_id]
        return ids[0] if len(set(ids)) == 1 else f"{ids[0]} … {ids[-1]}" if ids else ""

    @property
    def submitted(self) -> datetime.datetime | None:
        return min((node.submitted for node in self.members if node.submitted), default=None)

    @property
    def started(self) -> datetime.datetime | None:
        return min((node.started for node in self.members if node.started), default=None)

    @property
    def ended(self) -> datetime.datetime | None:
        """The last end, once all have ended."""
        if self.state not in OVER:
            return None
        return max((node.ended for node in self.members if node.ended), default=None)

    @property
    def leaves(self) -> tuple[JobNode, ...]:
        """The jobs that a folded row stands for: elements and members."""
        return tuple(
            leaf
            for node in self.members
            for leaf in (node.children if node.kind == ARRAY else (node,))
        )

    @property
    def noteworthy(self) -> list[JobNode]:
        """Those of its jobs that did not end well."""
        return [leaf for leaf in self.leaves if leaf.state in BAD]

    def walk(self) -> Iterator[Row]:
        """This row and all below it, in order."""
        yield self
        for row in self.rows:
            yield from row.walk()


def fold(nodes: Sequence[JobNode], most: int) -> tuple[Row, ...]:
    """The rows for siblings and what is below them: at most `most` to a parent, as far as folding helps.

    A task with more than a few jobs among them becomes one row, at the place of its first job.
    """
    groups: dict[tuple[str, str], list[JobNode]] = {}
    for node in nodes:
        groups.setdefault((node.task_name, node.kind), []).append(node)
    if len(nodes) <= most:
        return tuple(_row((node,), most) for node in nodes)
    rows: dict[int, Row] = {}
    place = {id(node): number for number, node in enumerate(nodes)}
    for members in groups.values():
        together = [tuple(members)] if len(members) > FEW else [(node,) for node in members]
        rows.update((place[id(one[0])], _row(one, most)) for one in together)
    return tuple(rows[number] for number in sorted(rows))


def _row(members: tuple[JobNode, ...], most: int) -> Row:
    if len(members) > 1:
        return Row(members, tuple(_row((node,), most) for node in members))
    [node] = members
    if node.kind == ARRAY:
        return Row(members, tuple(_row((child,), most) for child in node.children))
    return Row(members, fold(node.children, most))


def drawn_as(rows: Sequence[Row]) -> dict[str, str]:
    """Path of a job -> key of the row that shows it while folded rows stay folded."""
    shown: dict[str, str] = {}
    for row in rows:
        for one in row.walk() if row.folded else (row,):
            shown.update((node.path, row.key) for node in one.members)
        if not row.folded:
            shown.update(drawn_as(row.rows))
    return shown


def arrows(rows: Sequence[Row]) -> Counter[tuple[str, str, str]]:
    """``(key of a row, key of one that waits for it, type)`` -> for how many jobs that is so."""
    shown = drawn_as(rows)
    counts: Counter[tuple[str, str, str]] = Counter()
    for node in {
        node.path: node for row in rows for one in row.walk() for node in one.members
    }.values():
        for wait in node.waits_for:
            source, target = shown.get(wait.path), shown[node.path]
            if source is not None and source != target:
                counts[source, target, wait.type] += 1
    return counts
