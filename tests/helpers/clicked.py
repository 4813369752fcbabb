"""A command of the command line, run in this process as the program would run it."""

from __future__ import annotations

from typing import NamedTuple

import click
from click.testing import CliRunner

from slurm.errors import ConfigError, SlurmError


class Said(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line with which it refused."""
        [line] = self.err.splitlines()
        return line


def run(command: click.Command, *arguments: object) -> Said:
    """Run it; an error of the SDK is its one line and its status, another one is raised."""
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    error = result.exception
    if isinstance(error, SlurmError):
        return Said(2 if isinstance(error, ConfigError) else 1, result.stdout, f"{error}\n")
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return Said(result.exit_code, result.stdout, result.stderr)
