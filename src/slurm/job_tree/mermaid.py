"""A tree as a Mermaid flowchart."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence

from slurm.job_tree import words
from slurm.job_tree.markup import kind_of
from slurm.job_tree.nodes import JobNode
from slurm.job_tree.rows import Row, arrows, fold

ROWS_TO_A_PARENT = (30, 10, 1)
MOST_DRAWN = 150
MOST_ARROWS = 400  # Mermaid refuses more than 500
HARMLESS = frozenset(" _.,()")
BREAK = "<br/>"
CLASSES = {
    "completed": "fill:#d7f0dd,stroke:#2b8a4b,color:#10331c",
    "failed": "fill:#fbdcdc,stroke:#c92a2a,color:#4a0d0d",
    "running": "fill:#dbe9fb,stroke:#1c6dd0,color:#0d2a4f",
    "pending": "fill:#eceef1,stroke:#868e96,color:#2b2f33",
    "workflow": "fill:#8881,stroke:#868e96",
}


def draw(nodes: Sequence[JobNode], now: datetime.datetime) -> str:
    """The jobs of a tree, many of one task as one box, each workflow a frame around its own."""
    rows = _few_enough(nodes)
    drawing = _Drawing(now)
    body = [line for row in rows for line in drawing.boxes(row, "  ")]
    body += drawing.arrows(arrows(rows))
    body += drawing.classes()
    return "\n".join(["flowchart LR", *body]) + "\n"


def _few_enough(nodes: Sequence[JobNode]) -> tuple[Row, ...]:
    """The rows with as little folding as keeps the drawing legible."""
    rows: tuple[Row, ...] = ()
    for most in ROWS_TO_A_PARENT:
        rows = fold(nodes, most)
        if sum(1 for row in rows for _ in _boxes_of(row)) <= MOST_DRAWN:
            break
    return rows


def _boxes_of(row: Row) -> Iterator[Row]:
    yield row
    for child in () if row.folded else row.rows:
        yield from _boxes_of(child)


class _Drawing:
    """Gives every row it draws a name of its own, until there are too many."""

    def __init__(self, now: datetime.datetime) -> None:
        self.now = now
        self.names: dict[str, str] = {}
        self.members: dict[str, list[str]] = {}

    def boxes(self, row: Row, indent: str) -> Iterator[str]:
        if len(self.names) == MOST_DRAWN:
            return
        name = self.names[row.key] = f"n{len(self.names) + 1}"
        label = self._label(row)
        frame = bool(row.rows) and not row.folded
        self.members.setdefault("workflow" if frame else kind_of(row.state), []).append(name)
        if not frame:
            before, after = ('[["', '"]]') if row.folded else ('("', '")')
            yield f"{indent}{name}{before}{label}{after}"
            return
        yield f'{indent}subgraph {name}["{label.replace(BREAK, " · ")}"]'
        yield f"{indent}  direction LR"
        for child in row.rows:
            yield from self.boxes(child, indent + "  ")
        yield f"{indent}end"

    def _label(self, row: Row) -> str:
        ran = words.ran(row, self.now)
        times = f" × {row.count}" if row.folded else ""
        first = [escaped(row.name) + times, escaped(row.job_id)]
        second = [escaped(words.state_of(row)), ran]
        return BREAK.join(" · ".join(filter(None, line)) for line in (first, second))

    def arrows(self, found: Iterable[tuple[str, str, str]]) -> Iterator[str]:
        drawn = [arrow for arrow in found if arrow[0] in self.names and arrow[1] in self.names]
        for source, target, kind in drawn[:MOST_ARROWS]:
            link = "-->" if kind == "afterok" else f'-.->|"{escaped(kind)}"|'
            yield f"  {self.names[source]} {link} {self.names[target]}"

    def classes(self) -> Iterator[str]:
        for name, members in self.members.items():
            yield f"  classDef {name} {CLASSES[name]}"
            yield f"  class {','.join(members)} {name}"


def escaped(text: str) -> str:
    """Text that is text and nothing else inside a quoted label: all that could mean more by its number.

    >>> escaped('a"]; click b')
    'a#34;#93;#59; click b'
    """
    return "".join(_escaped(character) for character in words.plain(text))


def _escaped(character: str) -> str:
    if (character.isascii() and character.isalnum()) or character in HARMLESS:
        return character
    # Two dollars would begin a formula, also by their numbers.
    return "#36;#8203;" if character == "$" else f"#{ord(character)};"
