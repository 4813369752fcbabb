"""What commands print: columns, and text in which nothing is a command for a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

import click

from slurm.config.command_line import lead_nowhere
from slurm.config.findings import Finding, Verdict

NONE = "-"
COLOURS = {
    Verdict.PASS: "green",
    Verdict.WARN: "yellow",
    Verdict.FAIL: "red",
    Verdict.SKIP: "bright_black",
}


def printed(text: str) -> str:
    """A line with nothing in it that a terminal would take for a command.

    >>> printed("two\\nlines")
    'two?lines'
    """
    return "".join(one if one.isprintable() else "?" for one in text)


def say(text: str, *, nl: bool = True, err: bool = False) -> None:
    """Print `text`; where its reader went away, nothing, and what waits goes on: its exit status is wanted still.

    >>> say("one line")
    one line
    """
    try:
        click.echo(text, nl=nl, err=err)
    except BrokenPipeError:
        lead_nowhere(sys.stderr if err else sys.stdout)


def in_columns(rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    """Rows, the first of which are headers, in columns; those in `right` end where their longest cell does.

    >>> print(in_columns([("KIND", "SIZE"), ("source", "4K"), ("wheels", "120M")], right=[1]))
    KIND    SIZE
    source    4K
    wheels  120M
    """
    table = [[printed(cell) or NONE for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table)]
    ends = set(right)
    lines = (
        "  ".join(
            cell.rjust(width) if number in ends else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths))
        )
        for row in table
    )
    return "\n".join(line.rstrip() for line in lines)


def finding_in_words(one: Finding) -> str:
    """A finding on a line; on a terminal that has colours its verdict has one, unless ``NO_COLOR`` is set.

    >>> finding_in_words(Finding("clock", Verdict.PASS, "it agrees"))
    'PASS clock: it agrees'
    """
    line = printed(str(one))
    if not colours():
        return line
    word = str(one.verdict)
    return click.style(word, fg=COLOURS[one.verdict]) + line[len(word) :]


def colours() -> bool:
    """Whether stdout is a terminal that shows colours, and nobody has said that there are to be none.

    >>> colours()
    False
    """
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )
