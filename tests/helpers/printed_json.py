"""What commands print with ``--json``, held against their schemas, in whichever test they print it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

import click
import fastjsonschema
import pytest

from slurm.cli.commands import root
from slurm.cli.schemas import SCHEMAS, schema


def with_json() -> Iterator[tuple[str, click.Command]]:
    """The words of each command that takes ``--json``, and the command."""
    for words, command in commands(root()):
        if any("--json" in param.opts for param in command.params):
            yield words, command


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """The words of each command below a group, and the command."""
    with click.Context(group) as ctx:
        for name in group.list_commands(ctx):
            found = group.get_command(ctx, name)
            if isinstance(found, click.Group):
                yield from commands(found, f"{before}{name} ")
            elif found is not None:
                yield f"{before}{name}", found


@functools.cache
def validator(name: str) -> Callable[[Any], Any]:
    check: Callable[[Any], Any] = fastjsonschema.compile(schema(name), use_default=False)
    return check


@functools.cache
def _words_of() -> dict[int, str]:
    return {id(command): words for words, command in with_json()}


def hold_to_schemas(patch: pytest.MonkeyPatch) -> None:
    """Have each JSON document that a command prints checked, where the command takes ``--json``."""
    echo = click.echo

    def checked(message: Any = None, *args: Any, **options: Any) -> None:
        context = click.get_current_context(silent=True)
        if context is not None and _is_document(message) and not options.get("err"):
            words = _words_of().get(id(context.command))
            if words in SCHEMAS:
                validator(SCHEMAS[words])(json.loads(message))
        echo(message, *args, **options)

    patch.setattr(click, "echo", checked)


def _is_document(message: Any) -> bool:
    return isinstance(message, str) and message.startswith(("{", "["))
