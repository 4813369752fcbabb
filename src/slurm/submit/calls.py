"""Calls of tasks, ready to be submitted: plain data plus the task itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Union

from slurm.errors import ConfigError
from slurm.sbatch.dependency import Dependency

if TYPE_CHECKING:
    from slurm.task import SlurmTask

Arguments = tuple[tuple[Any, ...], Mapping[str, Any]]


def _new_token() -> str:
    return os.urandom(16).hex()


@dataclass(frozen=True)
class TaskCall:
    """One call of a task."""

    task: SlurmTask[Any, Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    after: tuple[Dependency, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    token: str = field(default_factory=_new_token)

    @property
    def arguments(self) -> tuple[Arguments, ...]:
        """The arguments of every call there is in this one."""
        return ((self.args, self.kwargs),)


@dataclass(frozen=True)
class ArrayCall:
    """Calls of one task with the arguments of each item, `pack` of them to an array task."""

    task: SlurmTask[Any, Any]
    arguments: tuple[Arguments, ...]
    after: tuple[Dependency, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    max_concurrent: int | None = None
    pack: int = 1
    token: str = field(default_factory=_new_token)


Call = Union[TaskCall, ArrayCall]


def items_of(items: Iterable[Any], name: str) -> list[Arguments]:
    """The arguments each item stands for. Raises `ConfigError` where there are no items."""
    if isinstance(items, (str, bytes)):
        raise ConfigError(f"{name}.map() takes a list of items, not one {type(items).__name__}")
    try:
        found = [arguments_of(item) for item in items]
    except TypeError as error:
        if hasattr(type(items), "__iter__"):
            raise  # the user's own generator failed
        kind = type(items).__name__
        hint = " (a job's result is not known yet)" if kind == "Job" else ""
        raise ConfigError(f"{name}.map() takes a list of items, not a {kind}{hint}") from error
    if not found:
        raise ConfigError(f"{name}.map() was given no items: an array has at least one")
    return found


def arguments_of(item: Any) -> Arguments:
    """A tuple's members as positional arguments, a dict's as keywords, anything else as the first argument.

    A named tuple is a value: it has a meaning of its own.

    >>> arguments_of((1, 2)), arguments_of({"rate": 0.1}), arguments_of([3])
    (((1, 2), {}), ((), {'rate': 0.1}), (([3],), {}))
    """
    if isinstance(item, tuple) and not hasattr(item, "_fields"):
        return item, {}
    if isinstance(item, dict):
        return (), item
    return (item,), {}
