"""The agent as one text, which runs where nothing is installed. Pure, but for reading this package's own files."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Mapping
from importlib import resources

PACKAGE = "slurm_sdk_agent"  # its name there, where a `slurm` may be anything
LOADER = "loader"
SUFFIX = ".py"


@functools.lru_cache(maxsize=1)
def agent_text() -> bytes:
    """The text, packed, as this process met it first: an upgrade must not change it under a reconnect."""
    return packed(agent_sources())


def agent_sources() -> dict[str, str]:
    """The source of each of the agent's modules, by its name."""
    files = resources.files("slurm.agent").iterdir()
    sources = {file.name: file.read_text("utf-8") for file in files if file.name.endswith(SUFFIX)}
    return {name[: -len(SUFFIX)]: sources[name] for name in sorted(sources)}


def packed(sources: Mapping[str, str]) -> bytes:
    """A text that has ``serve_over_stdio`` when it was run, made of the agent's modules; compressed.

    It begins with the loader, followed by all others as a dictionary, from which they are imported.
    """
    modules = {_full_name(name): text for name, text in sources.items() if name != LOADER}
    lines = (
        sources[LOADER],
        f"install({PACKAGE!r}, {modules!r})",
        f"from {PACKAGE}.server import serve_over_stdio",
    )
    return zlib.compress("\n".join(lines).encode(), 9)


def _full_name(name: str) -> str:
    return PACKAGE if name == "__init__" else f"{PACKAGE}.{name}"
