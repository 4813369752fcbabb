"""Callbacks by the names under which a Slurmfile lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurm.errors import ConfigError
from slurm.names import class_named, in_a_line

if TYPE_CHECKING:
    from slurm.callbacks.base import BaseCallback


def check_names(names: Any, where: str) -> None:
    """Raises `ConfigError`, which begins with `where`, unless these are names: ``["module:Class"]``."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f'{where} must be a list of names: ["module:Class"]')
    for name in names:
        if not all(name.partition(":")[::2]):
            raise ConfigError(f"{where} {name!r} is not of the form 'module:Class'")


def instances(names: list[str], where: str) -> list[BaseCallback]:
    """An instance of each class, made without arguments. Raises `ConfigError`, beginning with `where`."""
    return [_made(name, where) for name in names]


def _made(name: str, where: str) -> BaseCallback:
    from slurm.callbacks.base import BaseCallback

    kind = class_named(name, BaseCallback, where)
    try:
        return kind()
    except Exception as error:
        raise ConfigError(f"{where} {name!r} cannot be made: {in_a_line(error)}") from error
