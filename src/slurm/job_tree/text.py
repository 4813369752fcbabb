"""A tree as lines of text."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slurm.job_tree import words
from slurm.job_tree.rows import Row

MOST_LISTED = 10  # of the members of a folded row that did not end well
WIDEST = 48


@dataclass(frozen=True)
class _Line:
    name: str
    cells: tuple[str, ...]  # id, state, duration
    more: str = ""


def draw(rows: Sequence[Row], now: datetime.datetime, *, unfold: bool = False) -> str:
    """The rows as a tree, one to a line; of a folded row's jobs those that did not end well, or all."""
    lines = [line for row in rows for line in _lines(row, now, unfold, "", "")]
    names = min(WIDEST, max((len(line.name) for line in lines), default=0))
    widths = [max((len(line.cells[n]) for line in lines), default=0) for n in range(3)]
    drawn = []
    for line in lines:
        ident, state, time = line.cells
        cells = [f"{ident:{widths[0]}}", f"{state:{widths[1]}}", f"{time:>{widths[2]}}", line.more]
        drawn.append("  ".join([f"{line.name:{names}}", *cells]).rstrip() + "\n")
    return "".join(drawn)


def _lines(
    row: Row, now: datetime.datetime, unfold: bool, prefix: str, below: str
) -> Iterator[_Line]:
    cells = (row.job_id, words.state_of(row), words.ran(row, now))
    more = [words.waits(row.node), row.node.error] if row.node else []
    yield _Line(
        prefix + words.plain(words.title(row)),
        (words.plain(cells[0]), *cells[1:]),
        "  ".join(words.plain(text) for text in more if text),
    )
    rows, left = _listed(row, unfold)
    last = len(rows) + bool(left) - 1
    for number, child in enumerate(rows):
        joint, bar = ("└── ", "    ") if number == last else ("├── ", "│   ")
        yield from _lines(child, now, unfold, below + joint, below + bar)
    if left:
        yield _Line(f"{below}└── … {left} more", ("", "", ""))


def _listed(row: Row, unfold: bool) -> tuple[Sequence[Row], int]:
    """The rows to list below one, and how many are left out."""
    if unfold or not row.folded:
        return row.rows, 0
    bad = {node.path for node in row.noteworthy}
    rows = [one for one in row.rows if one.first.path in bad][:MOST_LISTED]
    return rows, len(row.rows) - len(rows) if rows else 0
