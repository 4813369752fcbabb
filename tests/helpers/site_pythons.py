"""Pythons of a site that tests make: some are stand-ins, which only say that they are another one."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

OTHER = (3, 9) if sys.version_info[:2] != (3, 9) else (3, 10)


def write_program(path: Path, text: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def another_python(path: Path, version: tuple[int, int] = OTHER) -> str:
    """A stand-in for a Python of another version: it says that it is one, and runs nothing else."""
    major, minor = version
    says = f"printf '\\n%s python [{major}, {minor}, 1]\\n%s\\n' \"$3\" {major}.{minor}"
    return str(write_program(path, f'[ "$1" = -c ] || exit 3\n{says}'))


def this_python(path: Path) -> Path:
    """This Python under another path, as in an environment."""
    return write_program(path, f'exec {shlex.quote(sys.executable)} "$@"')


def conda_prefix(prefix: Path) -> Path:
    """A directory with what conda leaves in an environment: no conda can be installed for a test."""
    (prefix / "conda-meta").mkdir(parents=True)
    this_python(prefix / "bin/python")
    scripts = prefix / "etc/conda/activate.d"
    scripts.mkdir(parents=True)
    (scripts / "tool.sh").write_text("false\nexport TOOL_HOME=$CONDA_PREFIX/tool$UNSET\n")
    return prefix
