"""Calls of tasks: checked against the function, plain data but for what is called and with what."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Union

from slurm.config.checks import check_count, check_encodable, check_flag
from slurm.errors import ConfigError
from slurm.sbatch.plain_values import plain
from slurm.tracking.upstream import Upstream

if TYPE_CHECKING:
    from slurm.node.binding import CallBinder
    from slurm.tracking.upstream import Dependency

Arguments = tuple[tuple[Any, ...], Mapping[str, Any]]


class CalledTask(Protocol):
    """A task as those know it who submit its calls: a `SlurmTask`.

    `waits_for` is what it was told to wait for; `packaging` how its code gets there, None for the cluster's way.
    """

    packaging: Any

    @property
    def name(self) -> str:
        """Its name, which is also its jobs'."""

    @property
    def unwrapped(self) -> Callable[..., Any]:
        """The function."""

    @property
    def own_options(self) -> Mapping[str, str | None]:
        """Its sbatch options, without defaults; None for one that is to be left out."""

    @property
    def is_workflow(self) -> bool:
        """Whether its jobs submit jobs."""

    @property
    def waits_for(self) -> tuple[Dependency, ...]:
        """What must come before its calls."""


def _new_token() -> str:
    return os.urandom(16).hex()


@dataclass(frozen=True)
class TaskCall:
    """One call of a task; `key` is the user's, of which its `token` was made."""

    task: CalledTask
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    after: tuple[Dependency, ...] = ()
    options: Mapping[str, str | None] = field(default_factory=dict)
    token: str = field(default_factory=_new_token)
    key: str | None = None

    @property
    def arguments(self) -> tuple[Arguments, ...]:
        """The arguments of every call there is in this one."""
        return ((self.args, self.kwargs),)


@dataclass(frozen=True)
class ArrayCall:
    """Calls of one task with the arguments of each item, `pack` of them to an array task, where `item_dirs` gives each a directory.

    The items are taken one by one as `arguments` is iterated over, once: a generator may give the same object, changed,
    again and again. Raises then ``TypeError`` for one that does not fit the function.
    """

    task: CalledTask
    arguments: Iterable[Arguments]
    after: tuple[Dependency, ...] = ()
    options: Mapping[str, str | None] = field(default_factory=dict)
    max_concurrent: int | None = None
    pack: int = 1
    item_dirs: bool = False
    token: str = field(default_factory=_new_token)


Call = Union[TaskCall, ArrayCall]


def call_of(
    task: CalledTask, args: Sequence[Any], kwargs: Mapping[str, Any], key: str | None = None
) -> TaskCall:
    """A call of `task`, with the token of its `key` if it has one. Raises ``TypeError``, `ConfigError`."""
    try:
        _binder(task).check(args, kwargs)
    except TypeError as error:
        raise TypeError(f"{task.name}() {error}{_about_self(task.unwrapped)}") from None
    token = _new_token() if key is None else token_of_key(key)
    return TaskCall(task, tuple(args), dict(kwargs), task.waits_for, task.own_options, token, key)


def array_call_of(
    task: CalledTask,
    items: Iterable[Any],
    max_concurrent: int | None,
    pack: int,
    item_dirs: bool = False,
) -> ArrayCall:
    """A call of `task` for each of `items`, which are not looked at yet. Raises `ConfigError` for what is no collection."""
    max_concurrent, pack = plain(max_concurrent), plain(pack)
    check_count("max_concurrent", max_concurrent)
    check_count("pack", pack)
    check_flag("item_dirs", item_dirs)
    arguments = _checked(items_of(items, task.name), task)
    return ArrayCall(
        task, arguments, task.waits_for, task.own_options, max_concurrent, pack, item_dirs
    )


def _checked(items: Iterable[Arguments], task: CalledTask) -> Iterator[Arguments]:
    binder = _binder(task)
    for index, (args, kwargs) in enumerate(items):
        try:
            binder.check(args, kwargs)
        except TypeError as error:
            hint = _about_self(task.unwrapped)
            raise TypeError(f"{task.name}.map(): item {index}: {error}{hint}") from None
        yield args, kwargs


def _binder(task: CalledTask) -> CallBinder:
    from slurm.node.binding import CallBinder  # late: it takes long to import

    binder = CallBinder(task.unwrapped)
    if not task.is_workflow and binder.needs_workflow():
        raise TypeError("takes a WorkflowContext: make it a @workflow, not a @task")
    return binder


def _about_self(function: Callable[..., Any]) -> str:
    """What to do about a method that was called like one: a task does not know of which object."""
    owner, _, name = getattr(function, "__qualname__", "").rpartition(".")
    code = getattr(function, "__code__", None)
    parameters = code.co_varnames[: code.co_argcount] if code is not None else ()
    if not owner or owner.endswith("<locals>") or parameters[:1] not in (("self",), ("cls",)):
        return ""
    return (
        f". {owner}.{name} is a method, and a task is not bound to an object: give that first, as in "
        f"{owner}.{name}({owner.rpartition('.')[2].lower()}, ...), or make the task of a function"
    )


def token_of_key(key: str) -> str:
    """The submission token that stands for a user's `key`."""
    given: object = key
    if not isinstance(given, str):
        raise ConfigError(f"key {given!r} is not text: give it with str()")
    if not key:
        raise ConfigError("key must not be empty: it names this submission for all time")
    check_encodable("key", key)
    import hashlib

    return "k" + hashlib.sha256(key.encode()).hexdigest()[:31]


def is_of_key(token: str) -> bool:
    """Whether a token stands for a user's key: then there may have been a submission with it before.

    >>> is_of_key(token_of_key("train")), is_of_key(_new_token())
    (True, False)
    """
    return token.startswith("k")


def items_of(items: Iterable[Any], name: str) -> Iterator[Arguments]:
    """The arguments each item stands for, one by one. Raises `ConfigError` for what is no collection of items."""
    if isinstance(items, (str, bytes)):
        raise ConfigError(f"{name}.map() takes a list of items, not one {type(items).__name__}")
    kind = type(items).__name__
    if isinstance(items, Upstream) and not hasattr(type(items), "__iter__"):
        raise ConfigError(
            f"{name}.map() takes a list of items, not a {kind} (a job's result is not known yet)"
        )
    try:
        return map(arguments_of, iter(items))
    except TypeError as error:
        if hasattr(type(items), "__iter__"):
            raise  # the user's own method failed
        raise ConfigError(f"{name}.map() takes a list of items, not a {kind}") from error


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
