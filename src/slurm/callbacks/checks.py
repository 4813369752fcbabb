"""Callbacks as a caller gives them, checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from slurm.callbacks.base import BaseCallback, overrides
from slurm.callbacks.locus import RUNNER_HOOKS, ExecutionLocus
from slurm.config.checks import check_positive, suggestion
from slurm.errors import ConfigError


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
