"""Scripts that say in a comment what they depend on, PEP 723."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from slurm.errors import ConfigError
from slurm.packaging.function_reference import own_source
from slurm.packaging.toml_files import toml_of

# As the specification has it.
BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


def script_of(function: Callable[..., Any]) -> Path | None:
    """The user's own file that a function is defined in; None where there is none."""
    module = getattr(function, "__module__", None) or ""
    source = own_source(module) if module in sys.modules else ""
    return Path(os.path.abspath(source)) if source and os.path.isfile(source) else None


def has_metadata(script: Path) -> bool:
    """Whether a script has metadata of its own."""
    found = os.stat(script)
    return bool(_blocks(script, found.st_mtime_ns, found.st_size))


def script_metadata(script: Path) -> Mapping[str, Any] | None:
    """What a script says of itself; None where it says nothing. Raises `ConfigError` for what is no metadata."""
    found = os.stat(script)
    blocks = _blocks(script, found.st_mtime_ns, found.st_size)
    if not blocks:
        return None
    if len(blocks) > 1:
        raise ConfigError(f"{script} has {len(blocks)} blocks '# /// script': leave one")
    return toml_of("\n".join(line[2:] for line in blocks[0].splitlines()), script)


@functools.lru_cache(maxsize=64)
def _blocks(script: Path, modified: int, size: int) -> list[str]:
    text = script.read_text("utf-8", "replace").replace("\r\n", "\n")
    return [one.group("content") for one in BLOCK.finditer(text) if one.group("type") == "script"]
