"""One list out of what the queue, the accounts and the directories of jobs tell. Pure.

The queue is believed first, accounts where it says nothing, and what a job has noted of itself where neither knows it. What
nobody knows the end of is UNKNOWN.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from slurm.agent.job_ids import numbers, ranges, tasks_in
from slurm.api.job_listing import JobListing
from slurm.job_list.listed import ARRAY, ELEMENT, JOB, WORKFLOW, ListedJob
from slurm.job_list.owners import Owners, directory_name_in, epoch
from slurm.job_list.rows import Row, row_of, word_of
from slurm.job_tree.facts import number, state_in, text
from slurm.job_tree.nodes import OVER, overall
from slurm.job_tree.recorded import layout_of
from slurm.sbatch.array_layout import ArrayLayout
from slurm.states import ACTIVE, LOST_AFTER, RUNAWAY, JobState

NOTHING: Mapping[str, Any] = {}


class Group(NamedTuple):
    """The rows of one job or array, and what it has noted of itself, if it is ours and has."""

    noted: Mapping[str, Any]
    rows: list[Row]

    @property
    def is_array(self) -> bool:
        return bool(self.noted.get("array")) or any(row.tasks for row in self.rows)


def jobs_in(listing: JobListing, *, elements: bool = False) -> list[ListedJob]:
    """The jobs of a listing, in the order of their submission; with `elements` those of arrays one by one.

    >>> row = {"job_id": "12_[0-99]", "state": "PENDING", "name": "train", "submitted": "60"}
    >>> [array] = jobs_in(JobListing(90.0, [row]))
    >>> array.job_id, array.kind, array.states[JobState.PENDING], array.ours
    ('12_[0-99]', 'array', 100, False)
    """
    found: list[ListedJob] = []
    for group in _groups(listing):
        if not group.is_array:
            found.append(_job(group, listing.now))
        elif elements:
            found += _elements(group, listing.now)
        else:
            found.append(_array(group, listing.now))
    return sorted(found, key=_place)


def _place(job: ListedJob) -> tuple[float, int, str]:
    return (job.submitted or 0.0, int(job.number) if job.number.isdecimal() else 0, "")


def _groups(listing: JobListing) -> Iterator[Group]:
    owners = Owners(listing.noted)
    groups: dict[str, Group] = {}
    for row in _rows(listing):
        owner = owners.of(row)
        key = row.number if owner is None else owner["path"]
        groups.setdefault(key, Group(owner or NOTHING, [])).rows.append(row)
    yield from groups.values()
    for one in listing.noted:
        if one["ids"] and one["path"] not in groups:
            yield Group(one, [])


def _rows(listing: JobListing) -> Iterator[Row]:
    """What is said of each job, once: by accounts where the queue does not have it."""
    seen: dict[str, set[int]] = {}
    for row in map(row_of, listing.queue):
        seen.setdefault(row.number, set()).update(task for some in row.tasks for task in some)
        yield row
    for row in map(row_of, listing.accounts or ()):
        known = seen.get(row.number)
        if known is None:
            yield _believed(row, listing.now)
        elif row.tasks and row.state in OVER:
            left = [task for some in row.tasks for task in some if task not in known]
            if left:
                yield row._replace(tasks=_tasks(left))


def _believed(row: Row, now: float) -> Row:
    """What accounts have as going on and the controller does not know; it may have been submitted since it was asked."""
    if row.state in OVER or now - (row.submitted or now) < LOST_AFTER:
        return row
    return row._replace(state=JobState.UNKNOWN, reason=RUNAWAY)


def _tasks(indices: Iterable[int]) -> tuple[range, ...]:
    return tuple(tasks_in(f"0_[{ranges(list(indices))}]")[1])


def _job(group: Group, now: float) -> ListedJob:
    noted = group.noted
    if group.rows:
        return _listed(noted, group.rows[0], now)
    listed = _listed(noted, Row(noted["ids"][-1], (), _noted_state(noted)), now)
    started, ended = _noted_times(noted)
    return replace(
        listed,
        started=started,
        ended=ended,
        elapsed=_between(started, ended),
        node=text(noted, "node"),
    )


def _noted_state(noted: Mapping[str, Any]) -> JobState:
    state = state_in(noted)
    return state if state in OVER else JobState.UNKNOWN


def _noted_times(noted: Mapping[str, Any]) -> tuple[float | None, float | None]:
    return epoch(noted, "started_at"), epoch(noted, "completed_at") or epoch(noted, "ended_at")


def _listed(noted: Mapping[str, Any], row: Row, now: float) -> ListedJob:
    """What is told of a job by its row."""
    name = directory_name_in(row)
    directory = text(noted, "path", longest=None)
    if name and not directory:  # it was removed, or is below another base
        directory = posixpath.dirname(row.script) if row.script.startswith("/") else row.cwd
    task = text(noted, "task_name") or (posixpath.basename(posixpath.dirname(directory)))
    ended = row.ended if row.ended is not None else (now if row.state in ACTIVE else None)
    return ListedJob(
        job_id=row.word(),
        name=row.name or task,
        kind=WORKFLOW if noted.get("is_workflow") else JOB,
        task=task,
        ours=bool(noted or name),
        state=row.state,
        reason=row.reason,
        exit_code=row.exit_code,
        partition=row.partition,
        node=row.node,
        nodes=row.nodes,
        cpus=row.cpus,
        submitted=row.submitted or epoch(noted, "timestamp"),
        may_start=row.may_start,
        started=row.started,
        ended=row.ended,
        elapsed=_between(row.started, ended),
        time_limit=row.time_limit,
        directory=directory,
        token=text(noted, "token"),
        workflow=text(noted, "parent_workflow"),
    )


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, end - start)


def _elements(group: Group, now: float) -> Iterator[ListedJob]:
    """A row for each element."""
    for row in _all_rows(group):
        for task in (task for some in row.tasks for task in some):
            yield replace(_listed(group.noted, row.of(task), now), kind=ELEMENT)


def _array(group: Group, now: float) -> ListedJob:
    rows = _all_rows(group)
    states: Counter[JobState] = Counter()
    for row in rows:
        states[row.state] += row.jobs
    state = overall(states)
    listed = _listed(group.noted, group.rows[0] if group.rows else rows[0], now)
    started = min((row.started for row in rows if row.started is not None), default=None)
    ended = max((row.ended for row in rows if row.ended is not None), default=None)
    over = state in OVER
    return replace(
        listed,
        job_id=_array_word(rows),
        submissions=tuple(dict.fromkeys(row.number for row in rows)),
        kind=ARRAY,
        state=state,
        states=dict(states.most_common()),
        reason=next((row.reason for row in rows if row.reason and row.state not in OVER), ""),
        exit_code="",
        node="",
        may_start=None if started else listed.may_start,
        submitted=epoch(group.noted, "timestamp") or listed.submitted,
        started=started,
        ended=ended if over else None,
        elapsed=_between(started, ended if over else now),
    )


def _array_word(rows: Iterable[Row]) -> str:
    """All its tasks in one word, or one for each of its submissions."""
    tasks: dict[str, list[int]] = {}
    for row in rows:
        tasks.setdefault(row.number, []).extend(task for some in row.tasks for task in some)
    return ",".join(word_of(one, _tasks(of)) for one, of in tasks.items())


def _all_rows(group: Group) -> list[Row]:
    """The rows of an array, and for the tasks that nobody speaks of what its items have noted."""
    noted, rows = group.noted, [row for row in group.rows if row.tasks]
    count = number(noted, "count")
    if not count:
        return rows
    layout = layout_of(noted, count)
    ends = dict(_item_ends(noted, count))
    # Of tasks that are cancelled before they begin, squeue keeps one row for all, without their numbers (24.11).
    together = {row.number: row.state for row in group.rows if not row.tasks and row.state in OVER}
    for job_id, piece in zip(noted["ids"], layout.pieces):
        known = {
            task for row in rows if row.number == job_id for some in row.tasks for task in some
        }
        left: dict[JobState, list[int]] = {}
        for task in range(piece.count):
            if task not in known:
                state = _task_state(layout, piece.first + task, ends)
                if state is JobState.UNKNOWN:
                    state = together.get(job_id, state)
                left.setdefault(state, []).append(task)
        started, ended = _noted_times(noted)
        about = rows[0] if rows else Row(job_id, (), JobState.UNKNOWN)
        rows += [
            about._replace(
                number=job_id,
                tasks=_tasks(of),
                state=state,
                reason="",
                exit_code="",
                node="",
                may_start=None,
                started=started,
                ended=ended,
            )
            for state, of in left.items()
        ]
    return rows


def _item_ends(noted: Mapping[str, Any], count: int) -> Iterator[tuple[int, JobState]]:
    """How items ended, as they or others have noted it: what they say themselves last."""
    for note in noted.get("ended") or ():
        if isinstance(note, dict):
            for item in numbers(text(note, "items", longest=None)):
                yield item, state_in(note)
    for status, items in (noted.get("items") or {}).items():
        state = _noted_state({"status": status})
        if state in OVER and state is not JobState.UNKNOWN:
            yield from ((item, state) for item in items if item < count)


def _task_state(layout: ArrayLayout, task: int, ends: Mapping[int, JobState]) -> JobState:
    """How an array task ended, which is how its items did."""
    states = Counter(ends.get(item, JobState.UNKNOWN) for item in layout.items_of_task(task))
    return overall(states)
