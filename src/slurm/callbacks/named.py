"""Callbacks by the names under which a Slurmfile lists them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from slurm.config.named_classes import class_named, in_a_line
from slurm.errors import ConfigError

if TYPE_CHECKING:
    from slurm.callbacks.base import BaseCallback


def instances(names: Iterable[str], where: str) -> list[BaseCallback]:
    """An instance of each class, made without arguments. Raises `ConfigError`, beginning with `where`."""
    return [_made(name, where) for name in names]


def _made(name: str, where: str) -> BaseCallback:
    from slurm.callbacks.base import BaseCallback

    kind = class_named(name, BaseCallback, where)
    try:
        return kind()
    except Exception as error:
        raise ConfigError(f"{where} {name!r} cannot be made: {in_a_line(error)}") from error
