"""What a wheel of a project is made from, as one text: another program that finds the same need not build again."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from slurm.errors import ConfigError
from slurm.job_dir.paths import SDK as JOBS_OF_SDK
from slurm.packaging.code.source_files import NEVER, git, is_in_git, tracked_or_new
from slurm.packaging.projects import sources_of

READ_UP_TO = 1 << 20  # bytes of a file; of a larger one its size and its time count
# What builds write beside the sources, and do not read.
MADE = frozenset({"build", "dist"})
VARIABLES = re.compile(
    r"(SETUPTOOLS|HATCH|PDM|POETRY|CMAKE|SKBUILD|MESON|CARGO|MATURIN|CYTHON)_|(CC|CXX|LDFLAGS|SOURCE_DATE_EPOCH|ARCHFLAGS)$"
    r"|C(XX|PP)?FLAGS$"
)


def state_of(project: Path) -> str:
    """Stands for all that a build of the project may read: its files, which commit it is at, who builds, and how.

    Sources count by what is in them, so that one that a build writes anew with the same text is the same. Other files that
    Git tracks or does not ignore, without Git all others, count by their sizes and times.
    """
    digest = hashlib.sha256()
    for text in (str(project), *_builder(), *_versions(project)):
        digest.update(text.encode("utf-8", "surrogateescape") + b"\0")
    sources = set(sources_of(project))
    for path in sorted(counted_files(project)):
        try:
            about = os.stat(path)
            if path in sources and about.st_size <= READ_UP_TO:
                content = Path(path).read_bytes()
            else:
                content = f"{about.st_size} {about.st_mtime_ns}".encode()
        except (
            OSError
        ):  # gone meanwhile, a link that leads nowhere, or nothing that a build could read
            continue
        digest.update(os.fsencode(path) + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()


def _builder() -> Iterator[str]:
    yield from (sys.prefix, sys.version, sysconfig.get_platform())
    yield from sorted(f"{one}={os.environ[one]}" for one in os.environ if VARIABLES.match(one))


def _versions(project: Path) -> list[str]:
    """From which many builds take the version."""
    if not is_in_git(project):
        return []
    try:
        return git(project, "describe", "--tags", "--always")
    except ConfigError:  # it has no commit yet, or there is no Git
        return []


def counted_files(project: Path) -> set[str]:
    """The files that count: its sources, and what else Git lists, or without Git all else."""
    listed = counted_by_git(project)
    if listed is not None:
        others = {os.path.join(project, path) for path in listed}
    else:
        others = set(_files(project))
    return {*sources_of(project), *others}


def counted_by_git(project: Path) -> set[str] | None:
    """What Git tracks, and what is new, not ignored, and not made by a build; None where Git cannot say."""
    if not is_in_git(project):
        return None
    try:
        listed = {*tracked_or_new(project)}
        made = {path for path in listed if any(map(_is_skipped, path.split("/")))}
        if made:
            made -= {*git(project, "ls-files", "-z", "--cached", "--recurse-submodules")}
    except ConfigError:
        return None
    return listed - made


def _files(project: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(project):
        folders[:] = [name for name in folders if not _is_no_part(os.path.join(folder, name))]
        yield from (os.path.join(folder, name) for name in names if not name.startswith("."))


def _is_no_part(folder: str) -> bool:
    """Whether a directory is none of the project's: hidden, made by programs, an environment, or full of jobs."""
    name = os.path.basename(folder)
    marks = ("pyvenv.cfg", JOBS_OF_SDK)
    return (
        name.startswith(".")
        or _is_skipped(name)
        or any(os.path.exists(os.path.join(folder, mark)) for mark in marks)
    )


def _is_skipped(name: str) -> bool:
    return name in NEVER or name in MADE or name.endswith((".egg-info", ".pyc"))
