"""Runs that are watched: the scheduler is asked every few seconds, and a table shows what it says."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence

import click

from slurm.cli.commands import Checked
from slurm.cli.runs.table import every, live
from slurm.runs.advance import MONITORED, Advance
from slurm.runs.manifest import Manifest
from slurm.runs.report import ExitStatus, Report
from slurm.runs.step import next_action


def seconds(given: str) -> float:
    """A type: how long to wait between two questions."""
    try:
        found = float(given)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{given!r} is no number of seconds") from None
    if not 1 <= found <= DAY:
        raise argparse.ArgumentTypeError(f"{given} is not from 1 to {DAY}")
    return found


DAY = 86400
WATCH = click.option(
    "--watch", "watch_them", is_flag=True, help="go on, in a live table, until all have ended"
)
INTERVAL = click.option(
    "--interval",
    type=Checked(seconds, "seconds"),
    default=15.0,
    show_default=True,
    metavar="SECONDS",
    help="with --watch: between two questions to the scheduler",
)


def watch(
    advance: Advance,
    runs: Callable[[], Sequence[Manifest]],
    interval: float,
    *,
    as_json: bool = False,
) -> list[Report]:
    """Take the runs on every `interval` seconds until none goes on; returns how far they are then.

    `runs` reads them anew each time, for others change them too. As JSON, a line is printed each time.
    """
    for _ in every(interval) if as_json else ():
        reports = advance.all(runs())
        click.echo(json.dumps([one.as_json for one in reports], ensure_ascii=False))
        if not _goes_on(reports):
            return reports
    with live() as show:
        for _ in every(interval):
            reports = advance.all(runs())
            show([one.manifest for one in reports], _title(reports, interval))
            if not _goes_on(reports):
                return reports
    return []


def _goes_on(reports: Sequence[Report]) -> bool:
    going = (ExitStatus.IN_PROGRESS, ExitStatus.UNREACHABLE, ExitStatus.UNKNOWN)
    return any(
        one.status in going and next_action(one.manifest).action in MONITORED for one in reports
    )


def _title(reports: Sequence[Report], interval: float) -> str:
    away = [one for one in reports if one.status is ExitStatus.UNREACHABLE]
    trouble = f"; the scheduler does not answer: {away[0].text}" if away else ""
    return f"{len(reports)} run{'' if len(reports) == 1 else 's'}, every {interval:g} s (Ctrl-C ends this, not the jobs){trouble}"
