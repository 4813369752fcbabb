"""An array is what its elements are: their own metadata files, and notes on those that could write none."""

from __future__ import annotations

import datetime
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace

from slurm.job_dir.array_ends import last_of, notes_in
from slurm.job_dir.metadata import piece_key
from slurm.job_dir.paths import TASKS
from slurm.job_tree.facts import Content, moment, number, state_in, text
from slurm.job_tree.nodes import ARRAY, OVER, JobNode, overall
from slurm.job_tree.recorded import layout_of
from slurm.sbatch.array_layout import ArrayLayout
from slurm.states import JobState


@dataclass(frozen=True)
class _End:
    """How an element ended by the scheduler's word."""

    state: JobState
    at: datetime.datetime | None


def array_of(node: JobNode, content: Content) -> JobNode:
    """The array that `node` is, whose children have files of their own."""
    count = max(number(content, "count"), len(node.children), 1)
    ends = _noted(content, count)
    elements = [_element(child, node.task_name, ends) for child in node.children]
    seen = {child.index for child in elements}
    layout = layout_of(content, count)
    for index in sorted(ends.keys() - seen):
        elements.append(_unstarted(node, content, layout, index, ends[index]))
    elements.sort(key=lambda child: -1 if child.index is None else child.index)
    array = replace(node, kind=ARRAY, children=tuple(elements), count=count)
    starts = [child.started for child in elements if child.started]
    finishes = [child.ended for child in elements if child.ended]
    state = overall(array.states())
    return replace(
        array,
        state=state,
        started=min(starts, default=None),
        ended=max(finishes, default=None) if state in OVER else None,
    )


def _element(child: JobNode, task_name: str, ends: Mapping[int, _End]) -> JobNode:
    """An element, ended as the scheduler said if it could not say it itself; unless it ran again since."""
    name = child.path.rpartition("/")[2]
    index = int(name) if name.isdecimal() else None
    child = replace(child, task_name=task_name, waits_for=(), index=index)
    end = None if index is None else ends.get(index)
    if end is None or child.state in OVER:
        return child
    if child.started and end.at and child.started > end.at:
        return child
    return replace(child, state=end.state, ended=end.at)


def _unstarted(
    array: JobNode, content: Content, layout: ArrayLayout, index: int, end: _End
) -> JobNode:
    """An element that ended before it had begun."""
    piece, task = divmod(index // layout.pack, layout.tasks_to_a_piece)
    job_id = text(content, piece_key(piece))
    return JobNode(
        path=posixpath.normpath(f"{array.path}/{TASKS}/{layout.name(index)}"),
        task_name=array.task_name,
        job_id=f"{job_id}_{task}" if job_id else "",
        state=end.state,
        submitted=array.submitted,
        ended=end.at,
        index=index,
    )


def _noted(content: Content, count: int) -> Mapping[int, _End]:
    """Index -> how that element ended, by the last note on it."""
    last = last_of(notes_in(content, None), range(count))
    ends = {id(note): _End(state_in(note), moment(note, "ended_at")) for note in last.values()}
    return {index: ends[id(note)] for index, note in last.items()}
