"""What a module that is not there means on a node: who looked for it, where, and how it gets there."""

from __future__ import annotations

import os
import sys

MOST = 12  # entries of sys.path that are named
BROUGHT: dict[str, str] = {
    "none": "packaging='none' brings no packages. Either have it brought: packaging='wheel' brings your "
    "project and what it depends on",
    "source": "packaging='source' brings your own code. Either have what it depends on brought too, with its "
    "dependencies='send', and the module named in pyproject.toml",
    "wheel": "packaging='wheel' brought your project and what it depends on. Either add it to the "
    "dependencies in pyproject.toml",
    "container": "packaging='container' has what is in its image. Either install it there",
}
OTHERWISE = (
    "packaging={!r} did not bring it. Either have it brought by that, or by packaging='wheel'"
)


def explain(error: ModuleNotFoundError, packaging: str) -> None:
    """Add to what the error says; one that names no module says something of its own, and stays as it is.

    >>> error = ModuleNotFoundError("No module named 'pandas'", name="pandas")
    >>> explain(error, "none")
    >>> str(error)
    "No module named 'pandas': ... packaging='none' ..."
    """
    if not error.name:
        return
    package, _, below = error.name.rpartition(".")
    brought = BROUGHT.get(packaging) or OTHERWISE.format(packaging)
    holds = "or name the directory on the nodes that holds it in the packaging's pythonpath="
    if below and package in sys.modules:
        where = getattr(sys.modules[package], "__file__", None) or "what is built in"
        looked = (
            f"{_who()} found {package} in {where}, which has no such module: it is another version "
            "than yours, or another project's"
        )
        error.msg = f"{error.msg}: {looked}; {brought}; {holds}"
    else:
        install = f"{sys.executable} -m pip install {error.name.partition('.')[0]}"
        error.msg = (
            f"{error.msg}: {_who()} looked in {_path()}; {brought}; {holds}, or install it there: "
            f"{install}"
        )
    error.args = (error.msg,)


def _who() -> str:
    node = os.environ.get("SLURMD_NODENAME")
    version = ".".join(map(str, sys.version_info[:3]))
    return f"{sys.executable} ({version})" + (f" on {node}" if node else "")


def _path() -> str:
    entries = [entry or os.getcwd() for entry in sys.path]
    more = f" and {len(entries) - MOST} more" if len(entries) > MOST else ""
    return ", ".join(entries[:MOST]) + more
