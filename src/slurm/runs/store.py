"""Manifests in their files: read strictly, changed under a lock with a number that each write raises, and found."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from slurm.agent.files import sync_folder
from slurm.runs import locked_files
from slurm.runs.manifest import FILE, Manifest, ManifestError
from slurm.runs.project import RUNS
from slurm.runs.sharing import make_directory

# Directories that hold other people's code or what programs keep for themselves; of no interest, and often large.
# So are all whose name begins with a dot.
SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})


class StaleManifest(ManifestError):
    """A manifest was changed by somebody else since it was read.

    >>> raise StaleManifest("run_manifest.json: somebody else has changed it")
    Traceback (most recent call last):
        ...
    slurm.runs.store.StaleManifest: run_manifest.json: somebody else has changed it
    """


def read(path: Path) -> Manifest:
    """The manifest in a file. Raises `ManifestError`, of one line, for what is none."""
    with locked_files.said(path, ManifestError):
        return _parsed(path, locked_files.read_bytes(path))


def write(manifest: Manifest) -> Manifest:
    """Write a manifest to its `path`; returns it as it is there, its revision raised by one.

    One of revision 0 may be new: its directories are made. Raises `StaleManifest` where the file has another revision
    than the manifest was read with, `ManifestError` for what cannot be written. `change` is for a file that may change.
    """
    path = Path(manifest.path)

    def written(data: bytes | None) -> bytes:
        found = None if data is None else Manifest.parse(data, manifest.path)
        if data is not None and found is not None and found.content == manifest.content:
            return data
        return _dumped(manifest.with_keys(revision=_next_to(manifest, found)))

    if manifest.revision == 0:
        with locked_files.said(path, ManifestError):
            _make_directories(path.parent)
    return _parsed(path, _stored(path, written))


def _make_directories(folder: Path) -> None:
    """Make a directory, and those above it, so that they survive a crash of the machine."""
    if folder.is_dir():
        return
    _make_directories(folder.parent)
    make_directory(folder)
    sync_folder(str(folder.parent))


def _next_to(manifest: Manifest, found: Manifest | None) -> int:
    there = 0 if found is None else found.revision
    if there != manifest.revision:
        what = "it is not there any more" if found is None else f"its revision is {there}"
        raise StaleManifest(
            f"{manifest.path}: {what}, and what was to be written comes from revision {manifest.revision}; read it again"
        )
    return manifest.revision + 1


def change(path: Path, function: Callable[[Manifest], Manifest]) -> Manifest:
    """Have `function` change a manifest; returns it as it is in the file, its revision raised by one.

    What was computed on a manifest that somebody else has changed meanwhile, program or editor, is computed again on
    that one: `function` does nothing but compute. One that changes nothing writes nothing. Raises `ManifestError`.
    """

    def changed(data: bytes | None) -> bytes:
        before = _parsed(path, data)
        after = function(before)
        if data is not None and after.content == before.content:
            return data
        return _dumped(after.with_keys(revision=before.revision + 1))

    return _parsed(path, _stored(path, changed))


def find(root: Path) -> list[Path]:
    """The manifests below a directory: ``**/runs/*/run_manifest.json``, sorted.

    Links to directories are followed, each directory is visited once. What is below a run is its own: artifacts that
    were brought home may be runs of others. Hidden directories, virtual environments and `SKIPPED` ones are passed over.
    A run that may not be looked into is there for that; raises `ManifestError` where `root` itself may not.
    """
    return sorted(_found(root))


def is_passed_over(name: str) -> bool:
    """Whether `find` does not look into directories of this name.

    >>> is_passed_over(".cache"), is_passed_over("plan")
    (True, False)
    """
    return name.startswith(".") or name in SKIPPED


def _found(root: Path) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    folders, links = [root], list[Path]()
    # Links last: what can be reached without one has its own name.
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        try:
            entries = _entries(folder, seen)
        except PermissionError as error:
            if folder == root:
                raise ManifestError(f"{folder}: {error.strerror}") from None
            if RUNS in (folder.name, folder.parent.name):
                yield folder / FILE  # whoever reads it hears that it is somebody else's
            continue
        if entries is None:
            continue
        if folder.parent.name == RUNS and folder != root and os.path.lexists(folder / FILE):
            yield folder / FILE
            continue
        for entry in entries:
            if entry.is_symlink():
                links.append(folder / entry.name)
            elif entry.is_dir():
                folders.append(folder / entry.name)


def _entries(folder: Path, seen: set[tuple[int, int]]) -> list[os.DirEntry[str]] | None:
    """What is to be looked at in a directory, sorted; None for one that was `seen`, or is of no interest.

    Raises PermissionError.
    """
    try:
        about = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except PermissionError:
        raise
    except OSError:
        return None  # gone, or a loop of links
    if (about.st_dev, about.st_ino) in seen or any(one.name == "pyvenv.cfg" for one in entries):
        return None
    seen.add((about.st_dev, about.st_ino))
    return [one for one in entries if not is_passed_over(one.name)]


def _stored(path: Path, function: Callable[[bytes | None], bytes]) -> bytes:
    return locked_files.change(path, function, ManifestError, mode=0o600, sync=True)


def _parsed(path: Path, data: bytes | None) -> Manifest:
    if data is None:
        raise ManifestError(f"{path}: it is not there")
    return Manifest.parse(data, str(path))


def _dumped(manifest: Manifest) -> bytes:
    return Manifest.checked(manifest.content, manifest.path).dump()
