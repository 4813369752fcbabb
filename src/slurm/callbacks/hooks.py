"""Callbacks as a user gives them, by name or as objects: made, checked, and called, whatever comes of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from slurm.callbacks.base import RUNNER_HOOKS, BaseCallback, ExecutionLocus, overrides
from slurm.config.checks import check_positive, suggestion
from slurm.config.named_classes import class_named, in_a_line
from slurm.errors import ConfigError

if TYPE_CHECKING:
    from slurm.callbacks.contexts import CallbackContext

logger: logging.Logger = logging.getLogger(__name__)

# By its name, as any class that a Slurmfile names: its room is above this one.
TRACKER = "slurm.runs:RunTracker"


class LentCallbacks(tuple[BaseCallback, ...]):
    """The callbacks of a workflow's job, lent to the cluster that it submits to: the job closes them."""


def checked(callbacks: Iterable[BaseCallback]) -> tuple[BaseCallback, ...]:
    """The callbacks a user gave. Raises `ConfigError` for what is none, or could never be called."""
    if isinstance(callbacks, (str, BaseCallback)) or not isinstance(callbacks, Iterable):
        raise ConfigError(f"callbacks is a list of callbacks, not {callbacks!r}")
    given = tuple(callbacks)
    for callback in given:
        _check(callback)
    return given


def _check(callback: Any) -> None:
    if isinstance(callback, type) and issubclass(callback, BaseCallback):
        name = callback.__qualname__
        raise ConfigError(f"callbacks takes instances: write {name}(), not {name}")
    if not isinstance(callback, BaseCallback):
        raise ConfigError(f"{callback!r} is no callback: derive its class from BaseCallback")
    name = type(callback).__qualname__
    loci = [str(locus) for locus in ExecutionLocus]
    if callback.locus not in loci:
        raise ConfigError(
            f"{name}.locus {callback.locus!r} does not exist"
            f"{suggestion(str(callback.locus), loci)}; choose from {loci}"
        )
    if callback.poll_interval_secs is not None:
        check_positive(f"{name}.poll_interval_secs", callback.poll_interval_secs)
    in_the_job = [hook for hook in RUNNER_HOOKS[:2] if overrides(callback, hook)]
    if in_the_job and not _states_locus(callback):
        raise ConfigError(
            f"{name}.{in_the_job[0]} is called in the job, and {name} stays here: give the class "
            "locus = ExecutionLocus.BOTH (or RUNNER), and it travels with its jobs"
        )


def _states_locus(callback: BaseCallback) -> bool:
    """Whether somebody has decided on the locus; the default is nobody's decision."""
    classes = type(callback).__mro__
    own = classes[: classes.index(BaseCallback)]
    return "locus" in callback.__dict__ or any("locus" in vars(one) for one in own)


def instances(names: Iterable[str], where: str) -> list[BaseCallback]:
    """An instance of each class, made without arguments. Raises `ConfigError`, beginning with `where`."""
    return [_made(name, where) for name in names]


def _made(name: str, where: str) -> BaseCallback:
    kind = class_named(name, BaseCallback, where)
    try:
        return kind()
    except Exception as error:
        raise ConfigError(f"{where} {name!r} cannot be made: {in_a_line(error)}") from error


def tracked(given: Any, track: str | bool, where: str) -> Any:
    """The callbacks that were given, and the one that keeps a record of each submission, unless they have one.

    `track` is the directory for it, or True. Raises `ConfigError`, beginning with `where`.
    """
    kind = class_named(TRACKER, BaseCallback, where)
    if not isinstance(given, (list, tuple)) or any(isinstance(one, kind) for one in given):
        return given
    arguments = () if track is True else (track,)
    try:
        return [*given, kind(*arguments)]
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def name_of(callback: BaseCallback) -> str:
    """How messages name a callback."""
    return type(callback).__qualname__


def call_hook(callback: BaseCallback, hook: str, context: CallbackContext) -> None:
    """Call one hook. What it raises is logged and goes no further."""
    try:
        getattr(callback, hook)(context)
    except (Exception, SystemExit):  # the user's own; jobs go on whatever it does
        job = f"job {context.job_id}" if context.job_id else "a job"
        logger.exception(
            "%s.%s failed for %s of %s", name_of(callback), hook, job, context.task_name
        )


def close(callback: BaseCallback) -> None:
    """Tell a callback that nothing more comes."""
    try:
        callback.close()
    except (Exception, SystemExit):  # as above
        logger.exception("%s.close failed", name_of(callback))
