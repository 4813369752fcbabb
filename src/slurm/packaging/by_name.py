"""Strategies by name: from what a Slurmfile says to an object, with a word on what is wrong in it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Union

from slurm.config.checks import suggestion
from slurm.config.named_classes import class_named, in_a_line
from slurm.errors import ConfigError
from slurm.packaging.base import PackagingStrategy, parameters_of
from slurm.packaging.names import STRATEGIES

PackagingConfig = Union[str, Mapping[str, Any], PackagingStrategy, None]

BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def strategy_of(config: PackagingConfig) -> PackagingStrategy:
    """The strategy that `config` describes. Raises `ConfigError` for one that does not exist.

    >>> strategy_of({"type": "none", "pythonpath": ["/home/me/src"]}).pythonpath
    ['/home/me/src']
    >>> strategy_of("container:python:3.12").image
    'python:3.12'
    >>> strategy_of({"type": "none", "pythonpth": []})
    Traceback (most recent call last):
    slurm.errors.ConfigError: packaging 'none' has no key 'pythonpth' (did you mean 'pythonpath'?); \
it takes ['python', 'pythonpath']
    """
    if isinstance(config, PackagingStrategy):
        return config
    if config is not None and not isinstance(config, (str, Mapping)):
        raise ConfigError(
            f"packaging {config!r} is no packaging: give a name, a mapping with 'type', or a strategy"
        )
    settings = dict(config) if isinstance(config, Mapping) else _from_text(config or "none")
    name = settings.pop("type", "none")
    known = STRATEGIES.get(name, name) if isinstance(name, str) else ""
    if not all(known.partition(":")):
        raise ConfigError(
            f"packaging type {name!r} does not exist{suggestion(str(name), STRATEGIES)}; choose from "
            f"{sorted(STRATEGIES)}, or name a class of your own as 'module:Class'"
        )
    return _made(class_named(known, PackagingStrategy, "packaging"), name, settings)


def _from_text(text: str) -> dict[str, Any]:
    """What a name stands for: itself, or an image behind ``container:``."""
    kind, colon, image = text.partition(":")
    return {"type": kind, "image": image} if kind == "container" and colon else {"type": text}


def default_elsewhere(function: Callable[..., Any]) -> str:
    """The packaging of a function on a cluster that shares no files with this machine, where nobody has named one.

    ``source`` where its module belongs to a project, ``none`` elsewhere.
    """
    from slurm.packaging.projects import has_project

    return "source" if has_project(function) else "none"


def _made(
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
