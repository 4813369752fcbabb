"""A list of jobs in columns, as many as there is room for. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from slurm.job_list.listed import ListedJob
from slurm.states import NO_REASON
from slurm.usage import format_duration

CUT = "+"  # as squeue ends a word that there is no room for
GAP = 2
LEAST = 8  # characters of a column that others take room from
DAY = 86400.0


class Column(NamedTuple):
    """A column: its header, the cell of a job at a moment, and `wide` if it is for wide terminals alone.

    What `gives` room is cut where there is too little.
    """

    header: str
    cell: Callable[[ListedJob, float], str]
    wide: bool = False
    gives: bool = False
    right: bool = False


def table(jobs: Sequence[ListedJob], now: float, width: int | None) -> list[list[str]]:
    """Rows of cells, headers first, that take no more than `width` characters; all columns without a width.

    >>> from slurm.states import JobState
    >>> table([ListedJob("12", "train", ours=True, state=JobState.RUNNING)], 0.0, 80)[1][:3]
    ['12', 'train', 'RUNNING']
    """
    cells = {one: [one.header, *(one.cell(job, now) for job in jobs)] for one in COLUMNS}
    widths = {one: max(map(len, column)) for one, column in cells.items()}
    shown = [one for one in COLUMNS if not one.wide]
    for column in COLUMNS:  # in the order in which they are of use
        more = [one for one in COLUMNS if one in shown or one is column]
        if width is None or _sum(widths[one] for one in more) <= width:
            shown = more
    if width is not None:
        _fit(cells, widths, shown, width)
    return [list(row) for row in zip(*(cells[one] for one in shown))]


def headers_to_the_right(rows: Sequence[Sequence[str]]) -> list[int]:
    """The places of the columns with numbers."""
    right = {column.header for column in COLUMNS if column.right}
    return [place for place, header in enumerate(rows[0]) if header in right]


def _sum(widths: Iterable[int]) -> int:
    """The width of columns together."""
    listed = list(widths)
    return sum(listed) + GAP * (len(listed) - 1)


def _fit(
    cells: dict[Column, list[str]], widths: dict[Column, int], shown: Sequence[Column], width: int
) -> None:
    """Cut what is too long, the longest column first."""
    while _sum(widths[one] for one in shown) > width:
        giving = [one for one in shown if one.gives and widths[one] > LEAST]
        if not giving:
            break
        widths[max(giving, key=widths.__getitem__)] -= 1
    for one in shown:
        cells[one] = [_cut(cell, widths[one]) for cell in cells[one]]


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else cell[: width - 1] + CUT


def state_in_words(job: ListedJob) -> str:
    """The state; of an array how many of its elements are in which.

    >>> from slurm.states import JobState
    >>> state_in_words(ListedJob("12", "a", states={JobState.COMPLETED: 80, JobState.PENDING: 20}))
    '80 COMPLETED, 20 PENDING'
    """
    if job.states:
        return ", ".join(f"{count} {state}" for state, count in job.states.items())
    return str(job.state)


def _time(job: ListedJob, now: float) -> str:
    return "" if job.elapsed is None else format_duration(job.elapsed)


def submitted_in_words(job: ListedJob, now: float) -> str:
    """When it was submitted, by the clock of whoever looks: the time alone for what is of the last day."""
    if job.submitted is None:
        return ""
    form = "%H:%M:%S" if 0 <= now - job.submitted < DAY / 2 else "%m-%d %H:%M"
    return time.strftime(form, time.localtime(job.submitted))


def _where_or_why(job: ListedJob, now: float) -> str:
    why = f"({job.reason})" if job.reason and job.reason not in NO_REASON else ""
    return (why or job.node) if job.live else (job.node or why)


def _name(job: ListedJob, now: float) -> str:
    return job.name if job.ours else f"{job.name} *"


COLUMNS = (
    Column("JOB", lambda job, now: job.job_id, gives=True),
    Column("NAME", _name, gives=True),
    Column("STATE", lambda job, now: state_in_words(job), gives=True),
    Column("TIME", _time, right=True),
    Column(
        "LIMIT",
        lambda job, now: format_duration(job.time_limit) if job.time_limit else "",
        wide=True,
        right=True,
    ),
    Column("SUBMITTED", submitted_in_words),
    Column("PARTITION", lambda job, now: job.partition, wide=True),
    Column(
        "CPUS", lambda job, now: "" if job.cpus is None else str(job.cpus), wide=True, right=True
    ),
    Column("WHERE OR WHY", _where_or_why, gives=True),
    Column("DIRECTORY", lambda job, now: job.directory, wide=True),
)
