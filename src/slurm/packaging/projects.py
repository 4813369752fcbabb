"""The user's project: where it is, and whether it has changed."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from slurm.config.checks import expand_home
from slurm.config.found_files import is_file, looking_for, require_trusted
from slurm.errors import ConfigError
from slurm.packaging.function_reference import own_source

PROJECT_FILE = "pyproject.toml"
CONSENT = "If you trust it, name {folder} with the packaging's project"
ROOT_FILES = (".toml", ".py", ".cfg", ".in", ".txt", ".lock", ".yml", ".yaml")


@looking_for(PROJECT_FILE)
def project_of(function: Callable[..., Any], given: str | os.PathLike[str] | None) -> Path:
    """The directory with the ``pyproject.toml`` of `function`: the one `given`, else searched for.

    From the file of the function's module upwards, then from the working directory. Raises `ConfigError`
    where there is none, where somebody else could have written the one that is found, or where this user cannot look.
    """
    if given is not None:
        project = Path(expand_home("project", given)).resolve()
        if not is_file(project / PROJECT_FILE):
            raise ConfigError(
                f"project {os.fspath(given)!r}: there is no {PROJECT_FILE} in {project}"
            )
        return project
    module = getattr(function, "__module__", None) or ""
    source = own_source(module) if module in sys.modules else ""
    starts = [Path(source).resolve().parent] if source else []
    starts.append(Path.cwd())
    for start in starts:
        for folder in (start, *start.parents):
            if is_file(folder / PROJECT_FILE):
                require_trusted(folder / PROJECT_FILE, CONSENT.format(folder=folder))
                return folder
    raise ConfigError(
        f"there is no {PROJECT_FILE} in {starts[0]} or above it: name the directory of your project "
        "with the packaging's project, or write one"
    )


def has_project(function: Callable[..., Any]) -> bool:
    """Whether the module of a function is in a project of the user's own, below a directory with a ``pyproject.toml``.

    >>> has_project(len)
    False
    """
    module = getattr(function, "__module__", None) or ""
    source = own_source(module) if module in sys.modules else ""
    folder = Path(source).resolve().parent
    return bool(source) and any((one / PROJECT_FILE).is_file() for one in (folder, *folder.parents))


def fingerprint(project: Path, *more: Path) -> str:
    """Another text whenever a source of the project has changed, by sizes and times.

    Sources are ``src``, directories with packages in them, and the configuration beside them: not
    what jobs write elsewhere in the project. A package without ``__init__.py`` counts in ``src``.
    `more` are files that count as well.
    """
    digest = hashlib.sha256()
    for path in sorted({*sources_of(project), *map(str, more)}):
        try:
            found = os.stat(path)
        except OSError:  # gone meanwhile, or a broken link
            continue
        digest.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\0".encode(errors="replace"))
    return digest.hexdigest()


def sources_of(project: Path) -> Iterator[str]:
    """The files in which its packages are, and the configuration beside them."""
    for entry in os.scandir(project):
        if entry.is_dir() and not _is_skipped(entry.name):
            if entry.name == "src" or holds_packages(entry.path):
                yield from _files(entry.path)
        elif entry.name.endswith(ROOT_FILES):
            yield entry.path


def holds_packages(folder: str) -> bool:
    """Whether a directory is a package, or has one in it."""
    try:
        below = [entry.path for entry in os.scandir(folder) if entry.is_dir()]
    except PermissionError:  # another user's: a database's, say
        return False
    return any(os.path.isfile(os.path.join(path, "__init__.py")) for path in (folder, *below))


def _files(top: str) -> Iterator[str]:
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if not _is_skipped(name)]
        yield from (os.path.join(folder, name) for name in names if not _is_skipped(name))


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__" or name.endswith(".egg-info")
