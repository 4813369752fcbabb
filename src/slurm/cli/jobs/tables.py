"""Jobs in columns: coloured on a terminal where Rich is installed, else plain."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence

import click

from slurm.cli.output import in_columns, printed
from slurm.job_list import ListedJob
from slurm.job_list.table import headers_to_the_right, table
from slurm.states import ACTIVE, JobState

WAITING = "yellow"
STYLES = {JobState.COMPLETED: "green", JobState.PENDING: WAITING, JobState.UNKNOWN: "dim"}


def in_table(jobs: Sequence[ListedJob], now: float, width: int | None) -> None:
    """Print them, in no more than `width` characters."""
    rows = table(jobs, now, width)
    right = headers_to_the_right(rows)
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR") and importlib.util.find_spec("rich"):
        _coloured(rows, right, [style_of(job.state) for job in jobs])
    else:
        click.echo(in_columns(rows, right))


def style_of(state: JobState) -> str:
    """The colour of a state.

    >>> style_of(JobState.FAILED), style_of(JobState.RUNNING)
    ('red', 'cyan')
    """
    return "cyan" if state in ACTIVE else STYLES.get(state, "red")


def _coloured(rows: Sequence[Sequence[str]], right: Sequence[int], styles: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    place = list(rows[0]).index("STATE")
    for number, header in enumerate(rows[0]):
        shown.add_column(header, justify="right" if number in right else "left", no_wrap=True)
    for row, style in zip(rows[1:], styles):
        shown.add_row(
            *(Text(printed(cell), style if n == place else "") for n, cell in enumerate(row))
        )
    Console().print(shown)
