"""The command ``slurm``: subcommands (`login`, `tree`), each a module that is imported when it is asked for.

A subcommand belongs here with its arguments and what it prints; what it shows comes from the rooms below, any of which
it may import. `slurm.config.command_line` has what other programs share with it.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import Protocol

from slurm import __version__
from slurm.config.command_line import OneLineParser, exit_status

# Name: the module with its `arguments` and its `run`, and what it does.
COMMANDS = {
    "login": ("slurm.cli.login", "authenticate once, for all programs that connect later"),
    "tree": ("slurm.cli.tree", "show what a workflow and its jobs did"),
}


class Command(Protocol):
    """What a subcommand's module has."""

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""

    def run(self, args: argparse.Namespace) -> None:
        """Do it. Raises `ConfigError` for bad input, another `SlurmError` for what failed."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    given = sys.argv[1:] if argv is None else argv
    name = next((word for word in given if not word.startswith("-")), "")
    args = parser_for(name).parse_args(given)
    run = command_of(args.command).run
    return exit_status(f"slurm {args.command}", lambda: run(args))


def parser_for(chosen: str) -> argparse.ArgumentParser:
    """The parser of all commands, of which only the `chosen` one is imported."""
    parser = OneLineParser(
        prog="slurm", description="Look at, and look after, jobs of slurm-tasks."
    )
    parser.add_argument("--version", action="version", version=f"slurm-tasks {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, purpose) in COMMANDS.items():
        below = commands.add_parser(name, help=purpose, description=f"{purpose.capitalize()}.")
        if name == chosen:
            command_of(name).arguments(below)
    return parser


def command_of(name: str) -> Command:
    """The module of a command."""
    module: Command = importlib.import_module(COMMANDS[name][0])
    return module
