"""``python -m slurm.testing``: start, use and remove a dockerised Slurm cluster; the same as ``slurm test-cluster``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from slurm.config.command_line import exit_status
from slurm.testing.command_options import COMMANDS, CommandOption, options_of
from slurm.testing.using import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    options = vars(_parser().parse_args(arguments))
    status = 0

    def body() -> None:
        nonlocal status
        status = run(options["command"], options)

    return exit_status("slurm.testing", body) or status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m slurm.testing", description="A real Slurm in Docker."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        for one in options_of(name):
            command.add_argument(
                one.option, dest=one.argument, default=one.default, help=one.help, **_kind(one)
            )
    return parser


def _kind(one: CommandOption) -> dict[str, Any]:
    if not one.metavar:
        return {"action": "store_const", "const": one.flag}
    kind: dict[str, Any] = {"metavar": one.metavar}
    return {**kind, "action": "append"} if one.several else kind


if __name__ == "__main__":
    sys.exit(main())
