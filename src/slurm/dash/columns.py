"""A job as a line of a table: pieces of text with their styles, as wide as there is room. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from slurm.job_list import ListedJob
from slurm.job_list.table import submitted_in_words
from slurm.job_tree.nodes import OVER
from slurm.job_tree.words import plain
from slurm.states import ACTIVE, NO_REASON, JobState
from slurm.usage import format_duration

BAR = 10  # characters
CUT = "…"
MARK = "*"
# What a bar is made of, so that it is read without colours too: what ended well, what runs, what failed, what waits.
DONE, RUNS, FAILED, WAITS = "█", "▒", "x", "·"
STYLES = {DONE: "green", RUNS: "cyan", FAILED: "red", WAITS: "yellow"}

Piece = tuple[str, str]


class Column(NamedTuple):
    """A column: its header, the pieces of a job's cell at a moment, and its width, of which `share` more where there is more.

    It is left out in tables narrower than `least`.
    """

    header: str
    cell: Callable[[ListedJob, float], Sequence[Piece]]
    width: int
    share: int = 0
    least: int = 0
    right: bool = False


def style_of(state: JobState) -> str:
    """The colour of a state.

    >>> style_of(JobState.FAILED), style_of(JobState.RUNNING)
    ('red', 'cyan')
    """
    if state is JobState.UNKNOWN:
        return "dim"
    return STYLES[_kind(state)]


def bar(states: Mapping[JobState, int], width: int = BAR) -> list[Piece]:
    """How many of an array's elements are in which state, drawn; a state that one of them is in is not left out.

    >>> "".join(text for text, _ in bar({JobState.COMPLETED: 97, JobState.FAILED: 1, JobState.PENDING: 2}))
    '████████x·'
    """
    counts = dict.fromkeys(STYLES, 0)
    for state, count in states.items():
        counts[_kind(state)] += count
    total = sum(counts.values())
    if not total:
        return [(" " * width, "")]
    sizes = {kind: max(1, width * count // total) for kind, count in counts.items() if count}
    largest = max(sizes, key=lambda kind: counts[kind])
    sizes[largest] += width - sum(sizes.values())
    return [(kind * size, STYLES[kind]) for kind, size in sizes.items()]


def _kind(state: JobState) -> str:
    if state in ACTIVE:
        return RUNS
    if state is JobState.COMPLETED:
        return DONE
    return FAILED if state in OVER else WAITS


def progress(job: ListedJob, now: float) -> Sequence[Piece]:
    """Of an array the bar, and how many of its elements have ended well.

    >>> "".join(text for text, _ in progress(ListedJob("1", "a", states={JobState.COMPLETED: 5, JobState.RUNNING: 5}), 0.0))
    '█████▒▒▒▒▒ 5/10'
    """
    if not job.states:
        return ()
    done, count = job.states.get(JobState.COMPLETED, 0), sum(job.states.values())
    return [*bar(job.states), (f" {done}/{count}", "")]


def where_or_why(job: ListedJob) -> str:
    """The nodes of a job, or why it waits."""
    return f"({job.reason})" if job.reason not in NO_REASON else job.node


def _said(text: str, style: str = "") -> list[Piece]:
    return [(plain(text), style)]


COLUMNS = (
    Column("JOB", lambda job, now: _said(job.job_id), 11, share=1),
    Column(
        "NAME",
        lambda job, now: [*_said(job.name), ("" if job.ours else f" {MARK}", "dim")],
        12,
        share=3,
    ),
    Column("STATE", lambda job, now: _said(str(job.state), style_of(job.state)), 13),
    Column("PROGRESS", progress, BAR + 10, least=84),
    Column(
        "TIME",
        lambda job, now: _said("" if job.elapsed is None else format_duration(job.elapsed)),
        10,
        right=True,
    ),
    Column("SUBMITTED", lambda job, now: _said(submitted_in_words(job, now), "dim"), 11, least=100),
    Column("PARTITION", lambda job, now: _said(job.partition, "dim"), 10, least=120),
    Column("WHERE OR WHY", lambda job, now: _said(where_or_why(job)), 12, share=2),
)


class Layout(NamedTuple):
    """The columns of a table of a certain width, and how wide each is."""

    columns: tuple[Column, ...]
    widths: tuple[int, ...]

    @classmethod
    def of(cls, width: int) -> Layout:
        """Those for which there is room.

        >>> [column.header for column in Layout.of(60).columns]
        ['JOB', 'NAME', 'STATE', 'TIME', 'WHERE OR WHY']
        >>> sum(Layout.of(150).widths) + len(Layout.of(150).columns) - 1
        150
        """
        columns = tuple(one for one in COLUMNS if one.least <= width)
        left = width - sum(one.width + 1 for one in columns) + 1
        shares = sum(one.share for one in columns)
        widths = [one.width + max(0, left) * one.share // shares for one in columns]
        widths[-1] += max(0, width - sum(widths) - len(widths) + 1)
        return cls(columns, tuple(widths))

    def headers(self) -> list[Piece]:
        """The first line.

        >>> "".join(text for text, _ in Layout.of(60).headers()).split()
        ['JOB', 'NAME', 'STATE', 'TIME', 'WHERE', 'OR', 'WHY']
        """
        return self._joined([(column.header, "bold")] for column in self.columns)

    def line(self, job: ListedJob, now: float) -> list[Piece]:
        """The line of a job; nothing in it is a command for a terminal.

        >>> line = Layout.of(60).line(ListedJob("12", "a\x1b[2J", ours=True), 0.0)
        >>> "".join(text for text, _ in line).split()
        ['12', 'a?[2J', 'UNKNOWN']
        """
        return self._joined(column.cell(job, now) for column in self.columns)

    def _joined(self, cells: Iterable[Sequence[Piece]]) -> list[Piece]:
        made: list[Piece] = []
        for column, width, cell in zip(self.columns, self.widths, cells):
            made += [*_fit(cell, width, column.right), (" ", "")]
        return made[:-1]


def _fit(pieces: Sequence[Piece], width: int, right: bool) -> list[Piece]:
    """Pieces that take so much room, cut or filled up."""
    made, left = [], width
    for text, style in pieces:
        shown = text
        if cell_len(text) > left:
            shown = set_cell_size(text, left - 1) + CUT if left else ""
        made.append((shown, style))
        left -= cell_len(shown)
    fill = (" " * left, "")
    return [fill, *made] if right else [*made, fill]
