"""What several runs look like: a row for each, in plain columns or in a live table."""

from __future__ import annotations

import contextlib
import datetime
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from slurm.runs.manifest import Manifest
from slurm.runs.moments import now
from slurm.runs.step import job_status
from slurm.usage import format_duration

if TYPE_CHECKING:
    from rich.table import Table

HEADERS = ("RUN_ID", "ITERATION", "JOB_ID", "STATUS", "STATE", "SYNC", "METRICS", "AGE")
NONE = "-"
WIDE, LATER = 100, ("SYNC", "METRICS")  # columns that a narrow terminal has no room for
LONGEST_REASON = 40
COLOURS = {"failed": "red", "completed": "green", "running": "cyan", "pending": "yellow"}


def row(manifest: Manifest, at: datetime.datetime) -> tuple[str, ...]:
    """The cells of a run.

    >>> from slurm.runs.moments import moment_of
    >>> launched = moment_of("2026-02-18T16:00:45Z")
    >>> manifest = Manifest.new("iter1", "run_slurm.sbatch", started_at=launched, token="c0ffee")
    >>> row(manifest, launched + datetime.timedelta(minutes=2))
    ('20260218T160045Z', 'iter1', '-', 'pending', '-', 'pending', '-', '00:02:00')
    """
    end = manifest.completed_at or at
    age = max(0, int((end - manifest.started_at).total_seconds()))
    return (
        manifest.run_id,
        manifest.iteration_id,
        manifest.job_id or NONE,
        str(manifest.status),
        _state(manifest),
        str(manifest.sync),
        str(manifest.section("extraction").get("status", NONE)),
        format_duration(age),
    )


def _state(manifest: Manifest) -> str:
    if not manifest.section("scheduler"):
        return NONE
    status = job_status(manifest)
    reason = status.pending_reason or (status.reason if status.never_starts else "")
    return f"{status.state} ({reason[:LONGEST_REASON]})" if reason else str(status.state)


def plain(manifests: Sequence[Manifest], at: datetime.datetime) -> str:
    """The runs in columns, with a header."""
    rows = [HEADERS, *(row(one, at) for one in manifests)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(one, widths)) for one in rows)
    return "\n".join(line.rstrip() for line in lines)


@contextlib.contextmanager
def live() -> Iterator[Callable[[Sequence[Manifest], str], None]]:
    """``with live() as show:`` show runs, with a title, in place of those that were shown before.

    Where stdout is no terminal, or Rich is not installed, they are printed anew whenever they are others than before.
    """
    if not (sys.stdout.isatty() and importlib.util.find_spec("rich")):
        yield _Printed().show
        return
    from rich.console import Console
    from rich.live import Live

    console = Console()
    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as drawing:

        def show(manifests: Sequence[Manifest], title: str) -> None:
            drawing.update(_table(manifests, title, console.width), refresh=True)

        yield show


class _Printed:
    """Runs that are printed one table after the other."""

    def __init__(self) -> None:
        self._before: object = None

    def show(self, manifests: Sequence[Manifest], title: str) -> None:
        """Print them, unless nothing is new but their age."""
        at = now()
        shown = title, [row(one, at)[:-1] for one in manifests]
        if shown != self._before:
            self._before = shown
            click.echo(f"{at:%H:%M:%S} UTC: {title}\n{plain(manifests, at)}")


def _table(manifests: Sequence[Manifest], title: str, width: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    made = Table(title=Text(title), title_justify="left", box=None, pad_edge=False)
    left_out = LATER if width < WIDE else ()
    shown = [index for index, header in enumerate(HEADERS) if header not in left_out]
    for index in shown:
        made.add_column(HEADERS[index], no_wrap=True)
    at = now()
    for manifest in manifests:
        colour = COLOURS.get(str(manifest.status), "")
        cells = row(manifest, at)
        made.add_row(*(Text(cells[index], style=colour) for index in shown))
    return made


def every(seconds: float) -> Iterator[None]:
    """One step now, and one each so many seconds, however long a step takes.

    >>> steps = every(0.001)
    >>> next(steps), next(steps)
    (None, None)
    """
    at = time.monotonic()
    while True:
        yield
        at = max(at + seconds, time.monotonic())
        time.sleep(max(0.0, at - time.monotonic()))
