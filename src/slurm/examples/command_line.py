"""What the command line of every example shares: cluster options, logging, one line per error."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

from slurm import Cluster
from slurm.config.checks import expand_home
from slurm.config.command_line import OneLineParser, exit_status, positive, text
from slurm.errors import ConfigError, RemoteFileError

__all__ = [
    "OneLineParser",
    "add_workdir",
    "parser_for",
    "positive",
    "run",
    "seconds",
    "text",
    "workdir_on",
]


A_DAY = 86400


def parser_for(program: str, description: str) -> argparse.ArgumentParser:
    """A parser that has the cluster options already."""
    parser = OneLineParser(prog=program, description=description)
    Cluster.add_argparse_args(parser)
    parser.add_argument("--verbose", action="store_true", help="log every detail")
    return parser


def add_workdir(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the directory for everything an example writes."""
    parser.add_argument(
        "--workdir", required=True, type=text, help="shared directory for everything written"
    )


def workdir_on(cluster: Cluster, given: str) -> str:
    """The workdir as an absolute path on the cluster, made if it was not there. Raises `ConfigError`."""
    path = given
    if cluster.backend.shares_filesystem:
        path = str(Path(expand_home("--workdir", given)).absolute())
    elif not given.startswith(("/", "~/")):
        raise ConfigError(f"--workdir {given!r} is a path on the cluster: start it with / or ~/")
    try:
        return cluster.backend.make_directory(path)
    except RemoteFileError as error:
        raise ConfigError(f"--workdir cannot be written: {error}") from error


def seconds(given: str) -> float:
    """An argparse type: a number of seconds, from zero to a day."""
    try:
        value = float(given)
    except ValueError:
        value = -1.0
    if not 0 <= value <= A_DAY:
        raise argparse.ArgumentTypeError(f"{given!r} is not a number of seconds from 0 to {A_DAY}")
    return value


def run(
    program: str,
    body: Callable[[argparse.Namespace], None],
    args: argparse.Namespace,
    *,
    interrupted: str = "Jobs go on",
) -> int:
    """Run an example's `body`; errors a user can mend become one line and an exit status.

    2 for what was wrong before anything was submitted, 1 for what failed later, 130 for Ctrl-C,
    with what `interrupted` says of the jobs.
    """
    level = logging.DEBUG if args.verbose else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
    return exit_status(program, lambda: body(args), verbose=args.verbose, interrupted=interrupted)
