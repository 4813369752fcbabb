"""Strategies of other distributions, which they register as entry points."""

from __future__ import annotations

from typing import Any

from slurm.errors import ConfigError

GROUP = "slurm.packaging"


def registered_names() -> list[str]:
    """The names of all strategies that installed distributions register, sorted."""
    return sorted({one.name for one in _entry_points()})


def registered(name: str) -> str | None:
    """The class that is registered under a name, as ``module:Class``; None for no such name.

    Raises `ConfigError` where two distributions have registered different ones.

    >>> registered("nobody-has-this") is None
    True
    """
    found = [one for one in _entry_points() if one.name == name]
    classes = sorted({one.value.replace(" ", "") for one in found})
    if len(classes) > 1:
        raise ConfigError(
            f"packaging type {name!r} is registered more than once, as {' and '.join(classes)}: name the class itself"
        )
    return classes[0] if classes else None


def _entry_points() -> list[Any]:
    from importlib import metadata  # late: few programs have such a name

    found: Any = metadata.entry_points()
    if hasattr(found, "select"):
        return list(found.select(group=GROUP))
    return list(found.get(GROUP, ()))  # Python 3.9, on a node
