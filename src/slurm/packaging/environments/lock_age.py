"""Whether a lock of uv is that of what a project or a script requires now: read from the lock alone, without uv."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from slurm.errors import PackagingError
from slurm.packaging.environments.requirement_lines import requirement_of, same_name
from slurm.packaging.toml_files import read_toml, section, tables

# Where uv notes that a requirement is not looked for in an index, and so in no version.
PLACES = frozenset(("url", "git", "path", "directory", "editable", "virtual"))


def require_lock_of_project(lock: Path, file: Path, name: str, extras: Mapping[str, Any]) -> None:
    """Raises `PackagingError` where a ``uv.lock`` was made for other requirements than the project's `file` has.

    `extras` are the requirements by the extra that they belong to, those of none under an empty name. A project that the
    lock does not name is uv's own matter.
    """
    content = _content(lock)
    for package in tables(content, lock, "package"):
        if not name or not same_name(str(package.get("name", "")), name):
            continue
        noted = section(package, lock, "metadata")
        lines = [line for some in extras.values() for line in some if not same_name(line, name)]
        known = noted.get("provides-extras")
        same_extras = known is None or {*map(_normal, known)} == {
            _normal(one) for one in extras if one
        }
        own = [one for one in tables(noted, lock, "requires-dist") if not _is(one, name)]
        if not same_extras or not _same(lines, own, file):
            raise PackagingError(f"{lock} is older than {file}: run uv lock")


def require_lock_of_script(lock: Path, script: Path, lines: Sequence[str]) -> None:
    """Raises `PackagingError` where the lock of a script was made for other requirements than these."""
    noted = section(_content(lock), lock, "manifest")
    if not _same(lines, tables(noted, lock, "requirements"), script):
        raise PackagingError(f"{lock} is older than {script}: run uv lock --script {script}")


def _same(lines: Iterable[str], noted: Sequence[Mapping[str, Any]], origin: Path) -> bool:
    """Whether both name the same requirements. Conditions are not compared, which uv spells in its own way."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    placed = {_normal(one.get("name", "")) for one in noted if not PLACES.isdisjoint(one)}
    there = set()
    for one in noted:
        name = _normal(one.get("name", ""))
        try:
            versions = SpecifierSet("" if name in placed else str(one.get("specifier", "")))
        except InvalidSpecifier:
            return False
        there.add((name, frozenset(map(_normal, one.get("extras", ()))), versions))
    here = set()
    for line in lines:
        wanted = requirement_of(line, origin)
        name = _normal(wanted.name)
        versions = SpecifierSet() if name in placed else wanted.specifier
        here.add((name, frozenset(map(_normal, wanted.extras)), versions))
    return here == there


def _is(noted: Mapping[str, Any], name: str) -> bool:
    return same_name(str(noted.get("name", "")), name)


def _normal(name: object) -> str:
    return re.sub(r"[-_.]+", "-", str(name)).lower()


def _content(lock: Path) -> Mapping[str, Any]:
    found = os.stat(lock)
    return _read(lock, found.st_mtime_ns, found.st_size)


@functools.lru_cache(maxsize=8)
def _read(lock: Path, modified: int, size: int) -> Mapping[str, Any]:
    return read_toml(lock)
