"""Classes that configuration names as ``module:Class``."""

from __future__ import annotations

import importlib
from typing import Any, TypeVar

from slurm.config.checks import suggestion
from slurm.errors import ConfigError

T = TypeVar("T")


def class_named(name: str, base: type[T], where: str) -> type[T]:
    """The class of that name, derived from `base`. Raises `ConfigError`, which begins with `where`.

    >>> class_named("collections:OrderedDict", dict, "types").__name__
    'OrderedDict'
    """
    module_name, _, qualname = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for part in qualname.split("."):
            if not hasattr(found, part):
                near = suggestion(part, dir(found))
                raise ConfigError(f"{where} {name!r}: {module_name} has no {part!r}{near}")
            found = getattr(found, part)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"{where} {name!r} cannot be imported: {in_a_line(error)}") from error
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ConfigError(f"{where} {name!r} is no class derived from {base.__name__}")
    return found


def in_a_line(error: BaseException) -> str:
    """An exception's type and the first line of its message.

    >>> in_a_line(ValueError("bad\\nvalue"))
    'ValueError: bad'
    """
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
