"""Frozen copies of a user's files on a cluster: sent once, and then only what has changed."""

from __future__ import annotations

import hashlib
import json
import posixpath
import shlex
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from slurm import forks
from slurm.api.transfers import pipelined
from slurm.errors import PackagingError
from slurm.job_dir.large_files import SpooledFile
from slurm.job_dir.paths import PACKAGES
from slurm.packaging.code.source_files import (
    Selection,
    SourceFile,
    files_of,
    revision_of,
    settled,
    sha256_of,
)

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.api.requests import Progress
    from slurm.cluster import Cluster

COPIES, CONTENTS = "source", "contents"
MARGIN = 1 << 14  # bytes of a piece that are for what compressing adds
SAMPLE, WORTH_IT = 1 << 14, 0.9
TRIES = 3
LONGEST_NAME = 60  # bytes


class Copy(NamedTuple):
    """What a copy is made of: its files by their SHA-256, the address that all of it has, and what is to be known of it.

    `folder` is the one in ``.packages`` that it is in; `compressed`: on its way its files are, which some are already.
    """

    name: str
    address: str
    files: Sequence[tuple[SourceFile, str]]
    about: Mapping[str, Any]
    folder: str = COPIES
    compressed: bool = True

    def place(self, base: str) -> str:
        """Its directory on a cluster with this `job_base_dir`."""
        name = "-".join(filter(None, (self.name, self.address)))
        return posixpath.join(base, PACKAGES, self.folder, name)


def copy_of(project: Path, files: Sequence[SourceFile]) -> Copy:
    """The copy of these files as they are now. Raises `PackagingError` for one that cannot be read."""
    digest, summed = hashlib.sha256(), []
    try:
        for one in files:
            sha256 = sha256_of(one)
            summed.append((one, sha256))
            digest.update(
                f"{one.path}\0{sha256}\0{one.is_program}\n".encode(errors="surrogateescape")
            )
    except OSError as error:
        raise PackagingError(f"{error.filename} cannot be sent: {error.strerror}") from None
    name = "".join(one if one.isalnum() or one in "._-" else "_" for one in project.name)
    name = name.encode(errors="replace")[:LONGEST_NAME].decode(errors="ignore")
    about = {"project": project.name, **revision_of(project)}
    return Copy(name, digest.hexdigest()[:16], summed, about)


class _Look(NamedTuple):
    """A copy, when its files were looked for, and the states of these and of their directories."""

    at: float
    copy: Copy
    states: Mapping[str, object]

    def holds(self) -> bool:
        """Whether that was within the last second, and nothing has changed since: no file, and no directory's list of files."""
        age = time.monotonic() - self.at
        return age <= RECENT and all(settled(path) == state for path, state in self.states.items())


def recent_copy(project: Path, selection: Selection) -> Copy:
    """The copy of a project as it is now: many jobs that are submitted together have Git asked once.

    Raises `ConfigError` for a project that is too large, or that Git does not tell of, and `PackagingError`.
    """
    with _sending:
        known = _recent.get().get((project, selection))
        if known is None or not known.holds():
            known = _recent.get()[project, selection] = _look(project, selection)
        return known.copy


def _look(project: Path, selection: Selection) -> _Look:
    at, files = time.monotonic(), files_of(project, selection)
    folders = {str(project)}
    for one in files:
        folder = posixpath.dirname(one.path)
        while folder and f"{project}/{folder}" not in folders:
            folders.add(f"{project}/{folder}")
            folder = posixpath.dirname(folder)
    states = {path: settled(path) for path in (*folders, *(one.file for one in files))}
    return _Look(at, copy_of(project, files), states)


RECENT = 1.0  # seconds

_recent: forks.Own[dict[tuple[Path, Selection], _Look]] = forks.Own(dict)
_there: forks.Own[set[tuple[object, ...]]] = forks.Own(set)
_sending = forks.Lock()


def send(
    copy: Copy, cluster: Cluster, *, again: bool = False, progress: Progress | None = None
) -> str:
    """The directory of the copy on the cluster, where it is afterwards. Raises `PackagingError`, `TransportError`.

    It is asked for first: another process, or an earlier one, may have sent it. Then the files are sent that are in no
    other copy. What this process has sent is not asked for, but `again`. `progress` hears how far large packs are.
    """
    base = cluster.job_base_dir
    place = copy.place(base)
    with _sending:
        key = (cluster.site.place, place)
        if again or key not in _there.get():
            _send(copy, cluster, place, posixpath.join(base, PACKAGES, CONTENTS), progress)
            _there.get().add(key)
    return place


def line_for(place: str) -> str:
    """A line of a job script: the copy is there."""
    gone = f"slurm-tasks: the copy {place} of your code is not there any more: submit the job again"
    return f"[ -d {shlex.quote(place)} ] || {{ echo {shlex.quote(gone)} >&2; exit 1; }}"


def forget(places: Sequence[str], cluster: Cluster) -> None:
    """Ask for these again, which are not there any more."""
    with _sending:
        for place in places:
            _there.get().discard((cluster.site.place, place))


def _send(copy: Copy, cluster: Cluster, place: str, store: str, progress: Progress | None) -> None:
    backend = cluster.backend
    listed = b""
    for _ in range(TRIES):
        answer = backend.copy_files(place, store, listed)
        if answer.get("ready"):
            return
        listed = listed or _listed(copy)
        if "missing" in answer:
            wanted = set(answer["missing"])
            packs = _packs(copy, wanted, backend.piece, backend.large_from)
            for _ in pipelined(
                lambda pack: _put(backend, place, store, pack, progress), packs, backend.in_flight
            ):
                pass  # its answer is that it is there
    answer = backend.copy_files(place, store, listed)
    if not answer.get("ready"):
        raise PackagingError(f"what is put in {store} does not stay there")


def _listed(copy: Copy) -> bytes:
    rows = [[one.path, sha256, one.is_program] for one, sha256 in copy.files]
    return zlib.compress(json.dumps(rows).encode("utf-8", "surrogateescape"))


def _put(
    backend: BackendBase, place: str, store: str, pack: _Pack, progress: Progress | None
) -> None:
    backend.copy_files(place, store, b"", pack.contents, pack.packed(), progress=progress)


def _packs(copy: Copy, wanted: set[str], piece: int, in_memory: int | None) -> Iterator[_Pack]:
    """The wanted contents, as many at a time as fit into a `piece`; more than `in_memory` bytes are not held there."""
    pack = _Pack(copy, in_memory)
    for one, sha256 in copy.files:
        if sha256 not in wanted:
            continue
        wanted.discard(sha256)
        if pack.contents and pack.size + one.size > piece - MARGIN:
            yield pack
            pack = _Pack(copy, in_memory)
        pack.add(one, sha256)
    if pack.contents:
        yield pack


class _Pack:
    """Some contents, packed one behind the other."""

    def __init__(self, copy: Copy, in_memory: int | None) -> None:
        self.contents: list[tuple[str, int]] = []
        self.size = 0
        self._packer: Any = None if copy.compressed else zlib.compressobj(0)
        self._spool = SpooledFile(in_memory)

    def add(self, one: SourceFile, sha256: str) -> None:
        """Pack the file. Raises `PackagingError` where it is another one by now."""
        checksum, size = hashlib.sha256(), 0
        with open(one.file, "rb") as file:
            for piece in iter(lambda: file.read(1 << 20), b""):
                checksum.update(piece)
                size += len(piece)
                self._packer = self._packer or zlib.compressobj(_level_for(piece))
                self._spool.write(self._packer.compress(piece))
        if checksum.hexdigest() != sha256:
            raise PackagingError(f"{one.file} was changed while it was sent: submit again")
        self.contents.append((sha256, size))
        self.size += size

    def packed(self) -> SpooledFile:
        """All of it; nothing can be added any more."""
        self._spool.write((self._packer or zlib.compressobj(0)).flush())
        return self._spool


def _level_for(content: bytes) -> int:
    """How much to compress files like this one: not at all what has become hardly smaller, as pictures and archives do."""
    sample = content[:SAMPLE]
    return 1 if len(zlib.compress(sample, 1)) < WORTH_IT * len(sample) else 0
