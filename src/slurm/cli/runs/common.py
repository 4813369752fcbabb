"""What the commands about runs share: arguments, and how they say what became of each run."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from slurm.cli.commands import TEXT, Checked
from slurm.cli.output import printed
from slurm.config.command_line import text
from slurm.errors import SchedulerUnreachable, TransportError
from slurm.runs.manifest import Manifest, ManifestError
from slurm.runs.report import ExitStatus, Report, exit_status
from slurm.runs.step import Action, next_action

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
LONGEST_PATH, LONGEST_NAME = 4096, 255  # bytes, as systems have it


def place(given: str) -> Path:
    """A type: the path of something, of which there can be one."""
    if len(os.fsencode(given)) >= LONGEST_PATH or any(
        len(os.fsencode(part)) > LONGEST_NAME for part in given.split("/")
    ):
        raise argparse.ArgumentTypeError("is longer than the name of a file may be")
    return Path(text(given))


PLACE = Checked(place, "path")

RUN_IDS = click.argument("run_ids", metavar="[RUN_ID]...", nargs=-1, type=TEXT)
RUN_ID = click.argument("run_id", metavar="RUN_ID", type=TEXT)
JSON = click.option("--json", "as_json", is_flag=True, help="as JSON")


def finish(reports: Sequence[Report], broken: Sequence[ManifestError], *, as_json: bool) -> None:
    """Say how far each run is, and end with the exit status of the most urgent one."""
    say(reports, broken, as_json=as_json)
    leave(ExitStatus.ERROR if broken else exit_status(reports))


def say(reports: Sequence[Report], broken: Iterable[ManifestError], *, as_json: bool) -> None:
    """Say how far each run is; manifests that cannot be read are named on stderr."""
    errors = [str(one) for one in broken]
    if as_json:
        said = {"runs": [one.as_json for one in reports], "errors": errors}
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
    else:
        for one in reports:
            click.echo(printed(str(one)))
        if not reports and not errors:
            click.echo("no run here needs anything; slurm launch begins one")
    for error in errors if not as_json else ():
        click.echo(printed(error), err=True)


def divided(
    manifests: Iterable[Manifest], chosen: Callable[[Manifest], bool]
) -> tuple[list[Manifest], list[Manifest]]:
    """Those that a command is about, and all others."""
    parts: tuple[list[Manifest], list[Manifest]] = ([], [])
    for one in manifests:
        parts[0 if chosen(one) else 1].append(one)
    return parts


def needs(manifest: Manifest) -> Action:
    """What a run needs next."""
    return next_action(manifest).action


def leave(status: int) -> None:
    """End with this exit status, all having been said."""
    if status:
        click.get_current_context().exit(int(status))


@contextlib.contextmanager
def reaching() -> Iterator[None]:
    """``with reaching():`` end with the status of what cannot be reached, in one line, where that is so."""
    try:
        yield
    except (SchedulerUnreachable, TransportError) as error:
        name = click.get_current_context().command_path
        click.echo(printed(f"{name}: {' '.join(str(error).split())}"), err=True)
        leave(ExitStatus.UNREACHABLE)
