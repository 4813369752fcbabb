"""Which files of a project are its code: those that Git knows, or else those of its packages."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from slurm.config.globs import Globs
from slurm.errors import ConfigError
from slurm.packaging.code.own_code import is_installed
from slurm.packaging.programs import environment
from slurm.packaging.projects import holds_packages
from slurm.usage import format_size

ROOT_FILES = (".toml", ".py", ".cfg", ".ini", ".in", ".txt", ".lock", ".yml", ".yaml", ".json")
NEVER = frozenset({".git", ".hg", "__pycache__", "node_modules", ".venv"})
GIT_TIMEOUT = 60.0  # seconds
NAMED = 3  # files that an error names
JUST_NOW = 50_000_000  # nanoseconds, more than a tick of the kernel's clock


class SourceFile(NamedTuple):
    """A file: its path in the project, where it is, its size, and whether it is a program."""

    path: str
    file: str
    size: int
    is_program: bool


class Selection(NamedTuple):
    """Which files of a project travel: patterns as in a ``.gitignore``, and how many bytes at most."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    most_bytes: int = 200 << 20


def files_of(project: Path, selection: Selection) -> list[SourceFile]:
    """The files of a project that are its code, by their paths. Raises `ConfigError` where they are too much.

    In a Git repository they are those that are tracked, and those that are new and not ignored; elsewhere its packages, its
    ``src``, and the configuration beside them. What this process has imported from there belongs to them in any case.
    """
    include, exclude = Globs(selection.include), Globs(selection.exclude)
    paths = {*tracked_or_new(project)} if is_in_git(project) else {*_of_packages(project)}
    paths.update(_imported(project))
    paths = {one for path in paths for one in _followed(project, path)}
    found, top = [], f"{project}{os.sep}"
    for path in sorted(paths):
        if is_never_sent(path):
            continue
        if exclude.match(path) or (selection.include and not include.match(path)):
            continue
        about = _about(top, path)
        if about is not None:
            found.append(about)
    _require_few(project, found, selection.most_bytes)
    return found


def is_never_sent(path: str) -> bool:
    """Whether a path is of what programs make anew, or of what is nobody's code, whether Git ignores it or not.

    >>> is_never_sent("src/mine/__pycache__/late.cpython-311.pyc"), is_never_sent("src/mine/late.py")
    (True, False)
    """
    return path.endswith(".pyc") or not NEVER.isdisjoint(path.split("/"))


def sha256_of(file: SourceFile) -> str:
    """The SHA-256 of a file; what has not changed since is not read again."""
    state = settled(file.file)
    known = _sums.get(file.file)
    if known is None or known[0] != state:
        known = _sums[file.file] = state, _read_sum(file.file)
    return known[1]


_sums: dict[str, tuple[object, str]] = {}


def settled(path: str) -> object:
    """What is the same as long as a file, or a directory's list of names, is the same.

    Times of files are coarse: what was written just now may be written once more at the same time, so that it is like
    nothing else, itself included.
    """
    try:
        about = os.stat(path)
    except OSError:  # as long as it is not there
        return None
    if time.time_ns() - max(about.st_mtime_ns, about.st_ctime_ns) < JUST_NOW:
        return object()
    return about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def _read_sum(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def _followed(project: Path, path: str) -> Iterable[str]:
    """The path, or where it is a link to a directory, the files below, as if they were there."""
    place = project / path
    if not (place.is_symlink() and place.is_dir()):
        return [path]
    if place.parent.resolve().is_relative_to(place.resolve()):  # it leads to where it is in
        return []
    return _below(str(place), path)


def _about(top: str, path: str) -> SourceFile | None:
    file = top + path
    try:
        found = os.stat(file)
    except OSError:  # removed and not yet committed, or a link that leads nowhere
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return SourceFile(path, file, found.st_size, bool(found.st_mode & stat.S_IXUSR))


def _require_few(project: Path, files: Sequence[SourceFile], most: int) -> None:
    total = sum(one.size for one in files)
    if total <= most:
        return
    largest = sorted(files, key=lambda one: -one.size)[:NAMED]
    named = ", ".join(f"{one.path} ({format_size(one.size)})" for one in largest)
    raise ConfigError(
        f"{project} has {format_size(total)} of files to send with every version of it, and at most {format_size(most)} are: "
        f"the largest are {named}; leave them out with the packaging's exclude, or raise its max_size"
    )


def is_in_git(project: Path) -> bool:
    """Whether a directory is in a Git repository, and none that one further up ignores, as a home directory's may."""
    if (project / ".git").exists():
        return True
    if not any((folder / ".git").exists() for folder in project.parents):
        return False
    try:
        return run_git(project, "check-ignore", "--quiet", ".").returncode != 0
    except (OSError, subprocess.TimeoutExpired):
        return True  # that is said where it is asked for files


def tracked_or_new(project: Path) -> Iterator[str]:
    """The paths of what Git tracks, or what is new and not ignored; of submodules, too. Raises `ConfigError`."""
    for path in git(project, "ls-files", "-z", "--cached", "--others", "--exclude-standard"):
        if not path:
            continue
        if (project / path / ".git").exists():
            top = path.rstrip("/")  # with one, where the repository is no submodule yet
            yield from (f"{top}/{below}" for below in tracked_or_new(project / top))
        else:
            yield path


def git(project: Path, *arguments: str) -> list[str]:
    """What Git prints, parted by zero bytes. Raises `ConfigError` where it fails."""
    try:
        done = run_git(project, *arguments)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{project}: git cannot say which files belong to it: {error}") from None
    if done.returncode != 0:
        said = os.fsdecode(done.stderr).strip().rsplit("\n", 1)[-1]
        raise ConfigError(f"{project}: git cannot say which files belong to it: {said}")
    return os.fsdecode(done.stdout).split("\0")


def run_git(
    folder: Path, *arguments: str, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run Git in a directory, with `given` to read. Raises `OSError`, ``subprocess.TimeoutExpired``."""
    # A monitor is a program that the repository names: nobody asked for it to be run.
    argv = ["git", "-C", str(folder), "-c", "core.fsmonitor=false", *arguments]
    return subprocess.run(
        argv,
        input=given,
        env=environment(),
        capture_output=True,
        timeout=GIT_TIMEOUT,
        check=False,
    )


def revision_of(project: Path) -> dict[str, Any]:
    """Which commit a project is at, and whether it has changed since; nothing where there is no commit.

    >>> revision_of(Path("/"))
    {}
    """
    if not is_in_git(project):
        return {}
    asked = ("-z", "--porcelain=v2", "--branch", "--untracked-files=normal", "--", ".")
    status = git(project, "status", *asked)
    begins = "# branch.oid "
    commit = next((line[len(begins) :] for line in status if line.startswith(begins)), "(initial)")
    changed = any(
        line and not line.startswith("#") and not (line[0] == "?" and is_never_sent(line[2:]))
        for line in status
    )
    return {} if commit == "(initial)" else {"revision": commit, "dirty": changed}


def _of_packages(project: Path) -> Iterator[str]:
    for entry in sorted(os.scandir(project), key=lambda one: one.name):
        if entry.is_dir():
            if not _is_skipped(entry) and (entry.name == "src" or holds_packages(entry.path)):
                yield from _below(entry.path, entry.name)
        elif entry.name.endswith(ROOT_FILES) and not entry.name.startswith("."):
            yield entry.name


def _below(folder: str, path: str) -> Iterator[str]:
    """The files below `folder`, which is at `path` in the project."""
    for entry in sorted(os.scandir(folder), key=lambda one: one.name):
        if entry.is_dir(follow_symlinks=False):
            if not _is_skipped(entry):
                yield from _below(entry.path, f"{path}/{entry.name}")
        elif not entry.name.startswith(".") and not entry.name.endswith(".pyc"):
            yield f"{path}/{entry.name}"


def _is_skipped(entry: os.DirEntry[str]) -> bool:
    return (
        entry.name.startswith(".")
        or entry.name in NEVER
        or entry.name.endswith(".egg-info")
        or os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))
    )


def _imported(project: Path) -> Iterable[str]:
    """The files of modules that this process has imported from there: Git ignores those that a build has made."""
    below = str(project) + os.sep
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.startswith(below) and not is_installed(file):
            yield os.path.relpath(file, project)
