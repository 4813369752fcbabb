"""``slurm test-cluster``: a dockerised Slurm to try things on, as ``python -m slurm.testing`` has it."""

from __future__ import annotations

from typing import Any

import click

from slurm.cli.commands import PATH, TEXT, Command, Group
from slurm.testing.command_options import COMMANDS, CommandOption, options_of


def command_named(name: str) -> click.Command:
    """One of the commands, with the options of the table."""

    def callback(**options: Any) -> None:
        from slurm.testing.using import run  # late: help needs no Docker

        for one in options_of(name):
            if not one.metavar:  # what an option without a value stands for, where it was given
                options[one.argument] = one.flag if options[one.argument] else None
        status = run(name, options)
        if status:
            click.get_current_context().exit(status)

    return Command(
        name,
        callback=callback,
        params=[_option(one) for one in options_of(name)],
        help=COMMANDS[name].capitalize() + ".",
        example=f"slurm test-cluster {name}",
    )


def _option(one: CommandOption) -> click.Option:
    if not one.metavar:
        return click.Option([one.option, one.argument], is_flag=True, help=one.help)
    return click.Option(
        [one.option, one.argument],
        type=PATH if one.metavar in ("DIR", "PATH") else TEXT,
        metavar=one.metavar,
        multiple=one.several,
        default=one.default,
        help=one.help,
    )


command: Group = Group(
    "test-cluster",
    help="Use a real Slurm in Docker on this machine, to try things and to test. It needs Docker, and the extra testing.",
    example="slurm test-cluster up\nslurm test-cluster down",
)
for _name in COMMANDS:
    command.add_command(command_named(_name))
