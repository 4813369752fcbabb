"""A copy of a project to build its wheel in: builds write beside the sources, and read again what they wrote."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from slurm.errors import ConfigError, PackagingError
from slurm.job_dir.large_files import scratch_directory
from slurm.job_dir.paths import SDK as JOBS_OF_SDK
from slurm.packaging.code.source_files import NEVER, git
from slurm.packaging.wheels.copied_repository import Repository
from slurm.packaging.wheels.project_state import MADE, READ_UP_TO, counted_by_git, counted_files

# What says of a directory that programs have made it: an environment, jobs, a cache.
MARKS = ("pyvenv.cfg", JOBS_OF_SDK, "CACHEDIR.TAG")


@contextlib.contextmanager
def copy_of(project: Path) -> Iterator[Path]:
    """A directory with what a build of the project may read, but for what builds have left; gone afterwards.

    What counts for the state of the project is copied. What else is there, and large files that Git does not list, are
    links. In a Git repository the copy is at the same place below the top, with links to what is beside it, and Git says
    the same of it; an index of its own keeps that of the user as it is. Raises `PackagingError`.
    """
    what = f"the wheel of {project} could not be built: copying the project"
    folder = tempfile.mkdtemp(prefix="slurm-tasks-", dir=scratch_directory())
    try:
        try:
            copy = _copied(project, Path(folder))
        except OSError as error:
            raise PackagingError(
                f"{what} to {folder}: {error.strerror}; TMPDIR names another place"
            ) from None
        yield copy
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copied(project: Path, folder: Path) -> Path:
    repository = Repository.of(project)
    top = repository.top if repository else project
    target = _mirrored(top, project, folder / "project")
    _Copy(project, target).make()
    if repository is not None:
        repository.give_to(folder / "project" / _name(top), folder / "git", project)
    return target


def _mirrored(top: Path, project: Path, folder: Path) -> Path:
    """The directories from `top` to the project, empty below that; of what is beside them there are links."""
    source, target = top, folder / _name(top)
    target.mkdir(parents=True)
    for name in project.relative_to(top).parts:
        for beside in os.listdir(source):
            if beside != name and beside not in NEVER:
                os.symlink(source / beside, target / beside)
        source, target = source / name, target / name
        target.mkdir()
    return target


def _name(top: Path) -> str:
    return top.name or "project"


class _Copy:
    """Copies a project to an empty directory."""

    def __init__(self, project: Path, target: Path) -> None:
        self._project = str(project)
        self._target = str(target)
        self._links: list[str] = []
        self._ways: dict[str, bool] = {}  # directories, and whether they are copied

    def make(self) -> None:
        listed = counted_by_git(Path(self._project))
        for path in sorted(counted_files(Path(self._project))):
            name = os.path.relpath(path, self._project)
            self._put(name, is_linked_if_large=listed is None or name not in listed)
        for name in sorted(self._rest(has_git=listed is not None)):
            self._put_rest(name)
        for name in self._links:
            self._mend(name)

    def _put(self, name: str, *, is_linked_if_large: bool) -> None:
        """Copy a file; where a link is on the way to it, that link."""
        if not self._has_way_to(name):
            return
        source, target = self._both(name)
        try:
            about = os.stat(source)
            if stat.S_ISDIR(about.st_mode):  # a submodule that is not there
                os.makedirs(target, exist_ok=True)
            elif stat.S_ISREG(about.st_mode):
                if is_linked_if_large and about.st_size > READ_UP_TO:
                    os.symlink(source, target)
                else:
                    shutil.copy2(source, target)
        except FileNotFoundError:  # gone meanwhile, or removed and not yet committed
            return
        except PermissionError:  # a build that reads it says so
            os.symlink(source, target)

    def _put_rest(self, name: str) -> None:
        """Link what is not copied; a directory has links to what is in it, for Git tells one from a link."""
        source, target = self._both(name)
        if not self._has_way_to(name):
            return
        if not os.path.isdir(source):
            if not os.path.lexists(target):
                self._put(name, is_linked_if_large=True)
            return
        os.makedirs(target, exist_ok=True)
        with contextlib.suppress(PermissionError):
            for inner in os.listdir(source):
                below = os.path.normpath(os.path.join(name, inner))
                if not self._is_left_out(below) and not os.path.lexists(f"{target}/{inner}"):
                    os.symlink(f"{source}/{inner}", f"{target}/{inner}")

    def _has_way_to(self, name: str) -> bool:
        """Make the directories above a path; False where one of them, or it, is a link: then that is there."""
        above = os.path.dirname(name)
        if above and above not in self._ways:
            self._ways[above] = self._has_way_to(above)
            if self._ways[above]:
                os.makedirs(self._both(above)[1], exist_ok=True)
        if above and not self._ways[above]:
            return False
        source, target = self._both(name)
        if not os.path.islink(source):
            return not os.path.islink(target)
        if not os.path.lexists(target):
            os.symlink(os.readlink(source), target)
            self._links.append(name)
        return False

    def _mend(self, name: str) -> None:
        """Have a link lead to where it leads in the project, if that is not copied."""
        source, target = self._both(name)
        if os.path.exists(source) and not os.path.exists(target):
            os.unlink(target)
            os.symlink(os.path.realpath(source), target)

    def _rest(self, *, has_git: bool) -> Iterator[str]:
        """What is not counted, and a build may read nevertheless: what Git ignores, or what is hidden."""
        found = self._ignored() if has_git else self._hidden()
        yield from (name for name in found if not self._is_left_out(name))

    def _ignored(self) -> list[str]:
        asked = ("-z", "--others", "--ignored", "--exclude-standard", "--directory")
        try:
            said = git(Path(self._project), "ls-files", *asked)
        except ConfigError:
            return []
        return [os.path.normpath(name) for name in said if name]

    def _hidden(self) -> Iterator[str]:
        for folder, folders, names in os.walk(self._project):
            top = os.path.relpath(folder, self._project)
            for name in [*folders, *names]:
                path = os.path.normpath(os.path.join(top, name))
                is_link = os.path.islink(os.path.join(folder, name))
                if is_link or name.startswith(".") or (name in folders and name in MADE):
                    yield path
            folders[:] = [
                name
                for name in folders
                if not name.startswith(".")
                and name not in MADE
                and not self._is_left_out(os.path.normpath(os.path.join(top, name)))
            ]

    def _is_left_out(self, name: str) -> bool:
        """Whether a path is of what builds and other programs make: they make it anew."""
        parts = name.split("/")
        if parts[0] in MADE or not NEVER.isdisjoint(parts):
            return True
        if any(part.endswith((".egg-info", ".pyc")) for part in parts):
            return True
        source = os.path.join(self._project, name)
        return any(os.path.exists(os.path.join(source, mark)) for mark in MARKS)

    def _both(self, name: str) -> tuple[str, str]:
        return f"{self._project}/{name}", f"{self._target}/{name}"
