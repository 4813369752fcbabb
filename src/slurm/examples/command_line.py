"""What the command line of every example shares: cluster options, logging, one line per error."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from typing import NoReturn

from slurm import Cluster
from slurm.arguments import positive, text
from slurm.errors import ConfigError, RemoteTraceback, SlurmError

__all__ = ["OneLineParser", "parser_for", "positive", "run", "seconds", "text"]


A_DAY = 86400


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, the usage being a ``--help`` away."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def parser_for(program: str, description: str) -> argparse.ArgumentParser:
    """A parser that has the cluster options already."""
    parser = OneLineParser(prog=program, description=description)
    Cluster.add_argparse_args(parser)
    parser.add_argument("--verbose", action="store_true", help="log every detail")
    return parser


def seconds(given: str) -> float:
    """An argparse type: a number of seconds, from zero to a day."""
    try:
        value = float(given)
    except ValueError:
        value = -1.0
    if not 0 <= value <= A_DAY:
        raise argparse.ArgumentTypeError(f"{given!r} is not a number of seconds from 0 to {A_DAY}")
    return value


def run(program: str, body: Callable[[argparse.Namespace], None], args: argparse.Namespace) -> int:
    """Run an example's `body`; errors a user can mend become one line and an exit status.

    2 for what was wrong before anything was submitted, 1 for what failed later, 130 for Ctrl-C.
    """
    level = logging.DEBUG if args.verbose else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
    try:
        body(args)
    except ConfigError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except SlurmError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        if args.verbose or not isinstance(error.__cause__, RemoteTraceback):
            raise
        # The task's own exception: its traceback is in the job's log, and here with --verbose.
        print(f"{program}: a job raised {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"{program}: interrupted. Jobs go on; the same command again follows them",
            file=sys.stderr,
        )
        return 130
    return 0
