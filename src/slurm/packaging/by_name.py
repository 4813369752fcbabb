"""Strategies by name: from what a Slurmfile says to an object, with a word on what is wrong in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Union

from slurm.config.checks import suggestion
from slurm.config.named_classes import class_named, in_a_line
from slurm.config.option_types import mismatch
from slurm.errors import ConfigError
from slurm.packaging.base import PackagingStrategy, parameters_of, types_of
from slurm.packaging.names import PREBUILT, STRATEGIES
from slurm.packaging.registered import registered, registered_names

if TYPE_CHECKING:
    import inspect

PackagingConfig = Union[str, Mapping[str, Any], PackagingStrategy, None]


def strategy_of(config: PackagingConfig) -> PackagingStrategy:
    """The strategy that `config` describes. Raises `ConfigError` for one that does not exist.

    >>> strategy_of({"type": "none", "pythonpath": ["/home/me/src"]}).pythonpath
    ['/home/me/src']
    >>> strategy_of("container:python:3.12").image
    'python:3.12'
    >>> strategy_of({"type": "none", "pythonpth": []})
    Traceback (most recent call last):
    slurm.errors.ConfigError: packaging 'none' has no key 'pythonpth' (did you mean 'pythonpath'?); \
it takes ['check', 'conda', 'found', 'python', 'pythonpath', 'setup', 'uv']
    """
    if isinstance(config, PackagingStrategy):
        return config
    if config is not None and not isinstance(config, (str, Mapping)):
        raise ConfigError(
            f"packaging {config!r} is no packaging: give a name, a mapping with 'type', or a strategy"
        )
    settings = dict(config) if isinstance(config, Mapping) else _from_text(config or "none")
    settings.pop(PREBUILT, None)
    name = settings.pop("type", "none")
    kind = class_named(_class_of(name), PackagingStrategy, "packaging")
    if name not in STRATEGIES:  # those of the SDK say better what is wrong with a value
        _check_types(kind, name, settings)
    return _made(kind, name, settings)


def _class_of(name: Any) -> str:
    """The class that a type names, as ``module:Class``. Raises `ConfigError` for a type that does not exist."""
    if isinstance(name, str) and name in STRATEGIES:
        return STRATEGIES[name]
    if isinstance(name, str) and ":" not in name:
        known = registered(name)
        if known is not None:
            return known
    elif isinstance(name, str) and all(name.partition(":")):
        return name
    names = sorted({*STRATEGIES, *registered_names()})
    raise ConfigError(
        f"packaging type {name!r} does not exist{suggestion(str(name), names)}; choose from "
        f"{names}, or name a class of your own as 'module:Class'"
    )


def _check_types(kind: type[PackagingStrategy], name: str, settings: Mapping[str, Any]) -> None:
    """Raises `ConfigError` for a value of another type than the constructor says."""
    types = types_of(kind)
    for key, value in settings.items():
        wanted = mismatch(value, types[key]) if key in types else ""
        if wanted:
            raise ConfigError(f"packaging {name!r}: {key} is {wanted}, not {value!r}")


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


def settings_known(name: str) -> list[str]:
    """The keys that a packaging takes beside its ``type``. Raises `ConfigError` for one that does not exist.

    >>> settings_known("inherit")
    []
    """
    parameters = parameters_of(class_named(_class_of(name), PackagingStrategy, "packaging"))
    return [key for key, parameter in parameters.items() if _has_name(parameter)]


def _has_name(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)


def _made(
    kind: type[PackagingStrategy], name: str, settings: Mapping[str, Any]
) -> PackagingStrategy:
    """The strategy with these settings. Raises `ConfigError` for a key that it does not take."""
    parameters = parameters_of(kind)
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    known = [key for key, parameter in parameters.items() if _has_name(parameter)]
    for key in settings:
        if key not in known and not takes_any:
            raise ConfigError(
                f"packaging {name!r} has no key {key!r}{suggestion(key, known)}; it takes {sorted(known)}"
            )
    for key in known:
        if parameters[key].default is parameters[key].empty and key not in settings:
            raise ConfigError(f"packaging {name!r} needs the key {key!r}")
    try:
        return kind(**settings)
    except ConfigError as error:
        raise ConfigError(f"packaging {name!r}: {error}") from error
    except Exception as error:
        raise ConfigError(f"packaging {name!r} cannot be made: {in_a_line(error)}") from error
