"""``slurm clean``: removing what jobs have left that no job needs any more."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator

import click

from slurm import Cluster
from slurm.api.base import CleanedUp
from slurm.cli.commands import Checked, Command, cluster_options
from slurm.cli.output import NONE, in_columns, printed
from slurm.config.ages import age
from slurm.errors import ConfigError
from slurm.usage import format_size

DEFAULT = "30d"
KINDS = {
    "jobs": "directories of jobs",
    "receipts": "receipts",
    "events": "directories for news of jobs",
    "staged": "large files on their way",
    "packages": "code, environments, images",
    "sdk": "code of the SDK",
    "unfinished": "begun to be removed before",
}
STAY = ("live", "needed", "recent", "foreign")
STAY_HEADERS = ("NOT ENDED", "NEEDED", "RECENT", "NOT THE SDK'S")
WIDTH = 40  # of the line that says how far it is


@click.command(
    "clean",
    cls=Command,
    example="slurm clean --dry-run\nslurm clean --older-than 90d\nslurm clean --older-than 90d --yes",
)
@click.option(
    "--older-than",
    type=Checked(age, "age"),
    default=DEFAULT,
    help=f"for how long nothing was done to it: 30d, 12h, 90m, 10s (default {DEFAULT})",
)
@click.option("--dry-run", is_flag=True, help="remove nothing, say what would be removed")
@click.option("--yes", is_flag=True, help="do not ask before it is removed")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@cluster_options
@click.pass_context
def command(
    ctx: click.Context,
    older_than: float,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    cluster_args: argparse.Namespace,
) -> None:
    """Remove what jobs have left in the job_base_dir and no job needs that has not ended.

    That is the directories of jobs, arrays and workflows that have ended, with their results, and what is found again by
    them; and what slurm packages gc removes. First it says what would be removed, and asks. Nothing is removed where the
    scheduler does not tell which jobs have not ended, and nothing that the SDK has not put there.
    """
    if not (dry_run or yes or sys.stdin.isatty()):
        raise ConfigError(
            "it asks before it removes anything, and nobody is there: add --yes, or --dry-run"
        )
    cluster = Cluster.from_args(cluster_args)
    with contextlib.closing(cluster):
        base = cluster.job_base_dir

        def clean_up(*, dry: bool) -> CleanedUp:
            with _progress() as told:
                return cluster.backend.clean_up(
                    base, older_than=older_than, dry_run=dry, progress=told
                )

        done = clean_up(dry=not yes or dry_run)
        if done.dry_run and not dry_run and any(one.removed for one in done.kinds.values()):
            _show(done, base, err=as_json)
            if not click.confirm("remove this?", err=True):
                click.echo("nothing was removed", err=True)
                return
            done = clean_up(dry=False)
    if as_json:
        click.echo(json.dumps(_as_json(done, base, older_than), indent=2, ensure_ascii=False))
    else:
        _show(done, base)
    if done.problem:
        click.echo(
            printed(f"slurm clean: something could not be removed: {done.problem}"), err=True
        )
        ctx.exit(1)


def _show(done: CleanedUp, base: str, *, err: bool = False) -> None:
    table = rows(done)
    if len(table) > 1:
        click.echo(in_columns(table, range(1, len(table[0]))), err=err)
    click.echo(printed(f"{in_words(done)} in {base}"), err=err)


def rows(done: CleanedUp) -> list[tuple[str, ...]]:
    """The table of what was found, with its headers: a row for each kind of which there is something.

    >>> from slurm.api.base import Cleaned
    >>> rows(CleanedUp(dry_run=True, jobs=Cleaned(removed=2, freed=8192, live=1)))[1]
    ('directories of jobs', '2', '8K', '1', '-', '-', '-')
    """
    head = ("WHAT", "TO REMOVE" if done.dry_run else "REMOVED", "SIZE", *STAY_HEADERS)
    found = [(KINDS[name], one) for name, one in done.kinds.items() if any(one)]
    return [
        head,
        *(
            (
                name,
                _number(one.removed),
                format_size(one.freed) if one.removed else NONE,
                *(_number(getattr(one, reason)) for reason in STAY),
            )
            for name, one in found
        ),
    ]


def _number(count: int) -> str:
    return str(count) if count else NONE


def in_words(done: CleanedUp) -> str:
    """All of it, in a line.

    >>> in_words(CleanedUp(dry_run=True))
    '0 bytes would be freed'
    """
    return f"{format_size(done.freed)} {'would be' if done.dry_run else 'were'} freed"


def _as_json(done: CleanedUp, base: str, older_than: float) -> dict[str, object]:
    return {
        "job_base_dir": base,
        "dry_run": done.dry_run,
        "older_than": older_than,
        "freed": done.freed,
        "problem": done.problem,
        **{name: one._asdict() for name, one in done.kinds.items()},
    }


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[CleanedUp, int], None] | None]:
    """Says on a terminal how far it is, in a line that is wiped out in the end."""
    if not sys.stderr.isatty():
        yield None
        return

    def told(done: CleanedUp, looked: int) -> None:
        said = f"looked at {looked} jobs, {done.jobs.removed} to remove"
        if not done.dry_run:
            said = f"looked at {looked} jobs, {done.jobs.removed} removed"
        click.echo(f"\r{said:{WIDTH}}", nl=False, err=True)

    try:
        yield told
    finally:
        click.echo(f"\r{'':{WIDTH}}\r", nl=False, err=True)
