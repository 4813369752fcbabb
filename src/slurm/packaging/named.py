"""Strategies by name: from what a Slurmfile says to an object, with a word on what is wrong in it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from slurm.config.checks import suggestion
from slurm.config.named_classes import in_a_line
from slurm.errors import ConfigError
from slurm.packaging.base import PackagingStrategy, parameters_of

BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def made(
    kind: type[PackagingStrategy], name: str, settings: Mapping[str, Any]
) -> PackagingStrategy:
    """The strategy with these settings. Raises `ConfigError` for a key that it does not take."""
    parameters = parameters_of(kind)
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    known = [key for key, parameter in parameters.items() if parameter.kind in BY_NAME]
    for key in settings:
        if key not in known and not takes_any:
            raise ConfigError(
                f"packaging {name!r} has no key {key!r}{suggestion(key, known)}; it takes {sorted(known)}"
            )
    for key in known:
        if parameters[key].default is inspect.Parameter.empty and key not in settings:
            raise ConfigError(f"packaging {name!r} needs the key {key!r}")
    try:
        return kind(**settings)
    except ConfigError as error:
        raise ConfigError(f"packaging {name!r}: {error}") from error
    except Exception as error:
        raise ConfigError(f"packaging {name!r} cannot be made: {in_a_line(error)}") from error
