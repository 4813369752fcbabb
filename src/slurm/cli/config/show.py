"""``slurm config show``: each setting in force, and where it is from."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import click

from slurm.cli.commands import Command, cluster_options
from slurm.cli.config.in_force import in_force
from slurm.cli.output import in_columns
from slurm.config.origins import Setting


@click.command(
    "show",
    cls=Command,
    example="slurm config show\nslurm config show --env gpu --json",
)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@cluster_options
def command(as_json: bool, cluster_args: argparse.Namespace) -> None:
    """Show each setting in force and where it is from: an option, an environment variable, the file and its table, or a default.

    An option wins over an environment variable, a variable over the Slurmfile, its environment over [default]. Nobody is
    asked, and nothing connected to.
    """
    found = in_force(cluster_args)
    if as_json:
        said = {"settings": [one._asdict() for one in found]}
        click.echo(json.dumps(said, indent=2, ensure_ascii=False, default=str))
    else:
        click.echo(in_columns(rows(found)))


def rows(found: Sequence[Setting]) -> list[tuple[str, str, str]]:
    """The table, with its headers.

    >>> rows([Setting("submit.mem", "2G", "default", "default")])
    [('SETTING', 'VALUE', 'FROM'), ('submit.mem', '2G', 'default')]
    """
    return [
        ("SETTING", "VALUE", "FROM"),
        *((one.name, in_words(one.value), one.where) for one in found),
    ]


def in_words(value: object) -> str:
    """A value as TOML has it; text without quotes, nothing as nothing.

    >>> in_words(False), in_words(["a"]), in_words(None), in_words("~/jobs")
    ('false', '["a"]', '', '~/jobs')
    """
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
