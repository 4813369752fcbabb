"""What of this process's imports is the user's own: where it is searched for, and which modules were found there."""

from __future__ import annotations

import functools
import itertools
import os
import posixpath
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from slurm.job_dir.main_module import MAIN_NAMES
from slurm.job_dir.search_path import NODE_PATH, SDK_PATH, OwnModule, digest_of

INSTALLED = ("site-packages", "dist-packages")


def search_path(
    pythonpath: Iterable[str],
    packaged: Iterable[str],
    *,
    shared: bool,
    copies: Mapping[str, str] = MappingProxyType({}),
) -> tuple[str, ...]:
    """In which order a node is to search for imports, with marks for what is its own.

    As this process does: its own directories before and behind the interpreter's, and `pythonpath` behind the former.
    What is in one of the directories that have `copies` is searched for in the copy; what has none, on a file system that is
    `shared` alone. A directory that holds one of the modules that were `packaged` comes behind what is installed there.
    """
    before, after = (
        [there for one in entries if (there := _there(one, shared, copies))]
        for entries in _own_entries()
    )
    # An editable installation may find its modules where no entry leads.
    otherwise = [_there(one, False, copies) for one in _found_otherwise()] if copies else []
    after += [
        there for there in dict.fromkeys(otherwise) if there and there not in {*before, *after}
    ]
    names = tuple(packaged)
    covered = [entry for entry in before if _holds(entry, names)]
    before = [entry for entry in before if entry not in covered]
    return (*before[:1], SDK_PATH, *before[1:], *pythonpath, NODE_PATH, *covered, *after)


def _there(entry: str, shared: bool, copies: Mapping[str, str]) -> str:
    """Where a directory of this machine is on the node; empty for nowhere."""
    # Of two projects one of which is in the other, it belongs to the inner one.
    for here, copy in sorted(copies.items(), key=lambda one: -len(one[0])):
        if entry == here or entry.startswith(here + os.sep):
            return posixpath.join(copy, *os.path.relpath(entry, here).split(os.sep)).removesuffix(
                "/."
            )
    return entry if shared else ""


def is_copied(file: str, copies: Mapping[str, str]) -> bool:
    """Whether a file of this machine is in one of the directories that have copies."""
    return bool(_there(os.path.abspath(file), False, copies)) if file else False


def own_roots() -> list[Path]:
    """The directories that hold the user's own code, as far as it belongs to a project or to a repository.

    Of each directory in which imports are searched for, or in which one was found otherwise: the nearest one from there upwards with a ``pyproject.toml``, in
    its repository if it is in one; else itself, where it is in a repository. A home directory is none.
    """
    home = Path(os.path.expanduser("~")).resolve()
    entries = itertools.chain(*_own_entries(), _found_otherwise())
    roots = (_root_of(Path(entry), home) for entry in entries if not _holds_sdk(entry))
    return list(dict.fromkeys(root for root in roots if root is not None))


def _holds_sdk(folder: str) -> bool:
    """Whether the SDK itself is there, which travels by its own: a checkout of it, say."""
    return (Path(folder) / "slurm" / "packaging" / "sdk_archive.py").is_file()


def _root_of(folder: Path, home: Path) -> Path | None:
    if not folder.is_dir():
        return None
    for one in (folder, *folder.parents):
        if one.resolve() == home:
            return None
        if (one / "pyproject.toml").is_file():
            return one
        if (one / ".git").exists():
            return folder
    return None


def _own_entries() -> tuple[list[str], list[str]]:
    """The user's own entries of ``sys.path`` before the interpreter's, and those behind the first of these."""
    before: list[str] = []
    after: list[str] = []
    entries = before
    searched: list[Any] = sys.path
    for entry in searched:
        if not isinstance(entry, str):
            continue  # imports do not look there either
        if is_installed(entry):
            entries = after
        elif not (Path(entry) / "SDK_ARCHIVE").is_file():  # each job has one of its own
            entries.append(os.path.abspath(entry))
    return before, after


def _found_otherwise() -> list[str]:
    """Directories with modules of the user's own that this process has imported from there, sorted."""
    folders = set()
    for name, file in _own_files():
        folder = os.path.dirname(file)
        is_package = os.path.basename(file) == "__init__.py"
        if name not in {*MAIN_NAMES, "slurm"}:
            folders.add(os.path.dirname(folder) if is_package else folder)
    return sorted(folders)


def _holds(folder: str, names: Iterable[str]) -> bool:
    path = Path(folder)
    return any((path / name).is_dir() or (path / f"{name}.py").is_file() for name in names)


def is_installed(path: str) -> bool:
    """Whether a file or directory belongs to the interpreter: its standard library, or what is installed for it."""
    return bool(path) and _belongs_to_python(
        path if path.startswith(os.sep) else os.path.abspath(path)
    )


# Of each module there is, with each submission: links are followed once.
@functools.lru_cache(maxsize=1 << 14)
def _belongs_to_python(path: str) -> bool:
    path = os.path.realpath(path)
    libraries = _libraries()
    if any(f"{path}{os.sep}".startswith(library) for library in libraries):
        return True
    below = next((path[len(p) :] for p in _prefixes() if path.startswith(p)), None)
    if below is None:
        return False
    parts = below.split(os.sep)
    return (parts[-1].startswith("python") and parts[-1].endswith(".zip")) or bool(
        {*INSTALLED} & {*parts}
    )


@functools.lru_cache(maxsize=1)
def _prefixes() -> tuple[str, ...]:
    return tuple({os.path.realpath(one) + os.sep for one in (sys.prefix, sys.base_prefix)})


@functools.lru_cache(maxsize=1)
def _libraries() -> tuple[str, ...]:
    """The standard library, and what the user has installed for this version of Python."""
    import site

    # As `sysconfig` has it, which reads all that Python was built with first, and that takes milliseconds.
    name = os.path.join(sys.platlibdir, "python{}.{}".format(*sys.version_info))
    found = {os.path.join(one, name) for one in (sys.base_prefix, sys.base_exec_prefix)}
    found |= {os.path.join(one, name) for one in (sys.prefix, sys.exec_prefix)}
    found |= {os.path.dirname(os.__file__), site.getusersitepackages()}
    return tuple(os.path.realpath(one) + os.sep for one in found if one)


def own_modules(without: Iterable[str] = ()) -> dict[str, OwnModule]:
    """The user's own modules that are imported here, by their names; packages as a whole, `without` some.

    They travel by reference: a node is to find the same.
    """
    left_out = {*without, *MAIN_NAMES, "slurm", "cloudpickle"}
    return {
        name: OwnModule(file, _digest(file)) for name, file in _own_files() if name not in left_out
    }


def _own_files() -> Iterator[tuple[str, str]]:
    for name, module in list(sys.modules.items()):
        if "." not in name and isinstance(module, ModuleType):
            file = getattr(module, "__file__", None)
            if file and file.endswith(".py") and not is_installed(file):
                yield name, os.path.abspath(file)


_digests: dict[str, tuple[tuple[int, int], str]] = {}


def _digest(file: str) -> str:
    try:
        found = os.stat(file)
        state = (found.st_mtime_ns, found.st_size)
        if _digests.get(file, ((), ""))[0] != state:
            _digests[file] = state, digest_of(Path(file).read_bytes())
        return _digests[file][1]
    except OSError:  # it was removed since: nothing can be compared with it
        return ""
