"""Reading TOML, also where the standard library cannot yet."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slurm.errors import ConfigError


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a file. Raises `ConfigError` where it cannot be read."""
    try:
        return toml_of(path.read_text("utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None


def toml_of(text: str, path: Path) -> dict[str, Any]:
    """What a text says that comes from a file. Raises `ConfigError`.

    >>> toml_of("[project]\\nname = 'mine'\\n", Path("pyproject.toml"))
    {'project': {'name': 'mine'}}
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no TOML: {error}") from None
    return content


def section(content: Mapping[str, Any], path: Path | str, *names: str) -> Mapping[str, Any]:
    """A table of what a file says, empty where it is not there. Raises `ConfigError` for what is no table.

    >>> section({"tool": {"uv": {"package": False}}}, Path("pyproject.toml"), "tool", "uv")
    {'package': False}
    """
    found: Any = content
    for depth, name in enumerate(names, 1):
        found = found.get(name, {})
        if not isinstance(found, Mapping):
            raise ConfigError(f"{path}: {'.'.join(names[:depth])} is no table")
    return found  # type: ignore[no-any-return]


def tables(content: Mapping[str, Any], path: Path | str, name: str) -> Sequence[Mapping[str, Any]]:
    """A list of tables of what a file says, empty where it is not there. Raises `ConfigError` for what is none."""
    found = content.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise ConfigError(f"{path}: {name} is no list of tables")
    return found
