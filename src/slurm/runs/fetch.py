"""Files from a cluster to a directory of this machine: whole ones alone, each compared, and begun ones continued.

What has arrived of a file is kept under a name that is made of which version it is a part of: whoever finds it goes on
where it ends. A file gets its own name when its checksums are those on the cluster.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from slurm.api.base import BackendBase
from slurm.api.requests import PartSum, TreeFile
from slurm.api.transfers import FileChanged
from slurm.errors import RemoteFileError
from slurm.job_dir.large_files import write_all
from slurm.runs.home import Home
from slurm.runs.kept_parts import KeptParts
from slurm.runs.sums import PART, sums_of
from slurm.runs.sync_plan import Skipped

Told = Callable[
    [str, int, int], object
]  # a file's path, the bytes of all files that are here, and all there will be

SMALL = 1 << 20  # bytes up to which files come together
TOGETHER = 8 << 20  # bytes of files in one batch
MOST_TOGETHER = 1000  # files in one batch
AT_ONCE = 16  # files that are flushed to the disk
TRIES = 3


class Fetched(NamedTuple):
    """The files that are `here` now, and the `bytes` that came for it.

    `refused` are files that the cluster does not give; `doubtful` those that were another one at each look.
    """

    here: tuple[TreeFile, ...] = ()
    bytes: int = 0
    refused: tuple[Skipped, ...] = ()
    doubtful: tuple[Skipped, ...] = ()


class Fetch:
    """Brings files from the directory `remote` into `home`; what has arrived in part is in `kept`.

    `told` is called as bytes come. `OSError` of this machine, and errors of the connection, go out; what has arrived
    by then stays.
    """

    def __init__(
        self, backend: BackendBase, remote: str, home: Home, kept: Path, told: Told | None = None
    ) -> None:
        self._backend = backend
        self._remote = remote.rstrip("/")
        self._home = home
        self._kept = KeptParts(kept, self._remote)
        self._told = told
        self._here: list[TreeFile] = []
        self._refused: list[Skipped] = []
        self._doubtful: list[Skipped] = []
        self._done = self._all = self._bytes = 0

    @property
    def so_far(self) -> Fetched:
        """What has come of it, also where an error has ended it."""
        refused, doubtful = tuple(self._refused), tuple(self._doubtful)
        return Fetched(tuple(self._here), self._bytes, refused, doubtful)

    def bring(self, files: Sequence[TreeFile]) -> Fetched:
        """Bring all of them, the small ones together."""
        self._here, self._refused, self._doubtful = [], [], []
        self._done, self._all = 0, sum(file.size for file in files)
        self._kept.forget_others(files)
        left = [file for file in files if not self._is_here(file)]
        for batch in _batches(left):
            self._bring(batch)
        if self._bytes or len(self._here) > len(files) - len(left):
            self._home.sync()
        return self.so_far

    def same(self, files: Sequence[TreeFile]) -> tuple[TreeFile, ...]:
        """Those of the files that are at home as they are on the cluster; nothing is brought."""
        found = [file for file in files if self._at_home(file) is not None]
        right = [file for file in found if self._is_here(file)]
        paths = {file.path for file in right}
        left = [file for file in found if file.path not in paths]
        return (*right, *(file for file, sums in self._sums(left) if self._is_equal(file, sums)))

    # What is here

    def _at_home(self, file: TreeFile) -> os.stat_result | None:
        """The file at home, if there is one that could be this."""
        about = self._home.find(file.path)
        return about if about is not None and about.st_size == file.size else None

    def _is_here(self, file: TreeFile) -> bool:
        about = self._at_home(file)
        if about is None or about.st_mtime_ns != file.mtime:
            return False
        self._arrived(file)
        return True

    def _is_equal(self, file: TreeFile, sums: Sequence[PartSum]) -> bool:
        """Whether the file at home has these checksums."""
        if self._at_home(file) is None:
            return False
        with self._home.open(file.path) as found:
            return sums_of(found).all() == [one.sha256 for one in sums]

    def _arrived(self, file: TreeFile, came: int = 0) -> None:
        self._here.append(file)
        self._came(file, file.size - came)

    def _came(self, file: TreeFile, size: int) -> None:
        self._done += size
        if self._told is not None:
            self._told(file.path, self._done, self._all)

    # What is there

    def _path(self, file: TreeFile) -> str:
        return f"{self._remote}/{file.path}"

    def _sums(self, files: Sequence[TreeFile]) -> Iterator[tuple[TreeFile, list[PartSum]]]:
        """Each file with the checksums of its parts on the cluster; others have failed."""
        parts = [(file, offset) for file in files for offset in range(0, file.size or 1, PART)]
        sums = self._backend.sum_parts([(self._path(file), offset, PART) for file, offset in parts])
        of_one: list[PartSum] = []
        for (file, offset), one in zip(parts, sums):
            of_one.append(one)
            if offset + PART < file.size:
                continue
            if self._are_of(file, of_one):
                yield file, of_one
            of_one = []

    def _are_of(self, file: TreeFile, sums: Sequence[PartSum]) -> bool:
        """Whether these checksums are of this version of the file; if not, it has failed."""
        error = next((one.error for one in sums if one.error is not None), None)
        if error is not None:
            self._refused.append(Skipped(file.path, str(error)))
            return False
        if not all(file.is_same(one.file) or not one.file.inode for one in sums):
            self._other(file)
            return False
        return True

    def _other(self, file: TreeFile) -> None:
        self._doubtful.append(Skipped(file.path, "it was changed while it was brought home"))

    # On the way

    def _bring(self, batch: Sequence[TreeFile]) -> None:
        if len(batch) == 1:
            self._bring_one(batch[0])
            return
        ready, wanted = list[TreeFile](), list[tuple[TreeFile, str]]()
        for file, sums in self._sums(batch):
            if self._is_equal(file, sums):
                self._take_over(file)
            elif self._is_kept(file, sums[0].sha256):
                ready.append(file)
            else:
                wanted.append((file, sums[0].sha256))
        with contextlib.suppress(RemoteFileError):  # of one that the error does not name
            contents = self._backend.read_files([self._path(file) for file, _ in wanted])
            for (file, sha256), content in zip(wanted, contents):
                if content is not None and hashlib.sha256(content).hexdigest() == sha256:
                    self._write(file, content)
                    ready.append(file)
        # At once: file systems write many in hardly more time than one.
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._kept.flush, ready))
        for file in ready:
            self._put(file)
            self._arrived(file)
        done = {file.path for file in ready}
        for file, _ in wanted:
            if file.path not in done:
                self._bring_one(file)

    def _is_kept(self, file: TreeFile, sha256: str) -> bool:
        """Whether an earlier attempt has brought all of a small file."""
        try:
            return hashlib.sha256(self._kept.path(file).read_bytes()).hexdigest() == sha256
        except FileNotFoundError:
            return False

    def _take_over(self, file: TreeFile) -> None:
        """What is at home is equal, and only its time is another."""
        with contextlib.suppress(PermissionError):  # it is somebody else's
            self._home.stamp(file.path, file.mtime)
        self._arrived(file)

    def _write(self, file: TreeFile, content: bytes) -> None:
        with self._kept.opened(file) as part:
            part.truncate(0)
            write_all(part, content)
        self._bytes += len(content)

    def _bring_one(self, file: TreeFile) -> None:
        """One file, of any size, from where an earlier attempt has ended."""
        try:
            if self._at_home(file) is not None:
                found = list(self._sums([file]))
                if not found or self._is_equal(*found[0]):
                    return self._take_over(file) if found else None
            for _ in range(TRIES):
                complete = self._is_complete(file)
                if complete:
                    self._kept.flush(file)
                    self._put(file)
                    return self._arrived(file, came=file.size)
                if complete is None:
                    return None
            self._doubtful.append(Skipped(file.path, "it does not arrive as it is on the cluster"))
        except FileChanged:
            self._kept.path(file).unlink(missing_ok=True)
            self._other(file)
        except RemoteFileError as error:
            self._refused.append(Skipped(file.path, str(error)))
        return None

    def _is_complete(self, file: TreeFile) -> bool | None:
        """Bring the rest of a file, and compare it; None where it cannot be compared.

        The first part of it that is another one, and what follows, is forgotten.
        """
        before = self._done
        with self._kept.opened(file) as part, ThreadPoolExecutor(1) as beside:
            asked = [beside.submit(self._sum, file, at) for at in range(0, file.size or 1, PART)]
            try:
                mine = self._rest(file, part)
                found = [one.result() for one in asked]
            except BaseException:
                beside.shutdown(wait=False, cancel_futures=True)
                raise
            if not self._are_of(file, found):
                return None
            there = [one.sha256 for one in found]
            if mine == there:
                return True
            right = next((i for i, both in enumerate(zip(mine, there)) if len({*both}) > 1), 0)
            part.truncate(right * PART)
            self._done = before
            return False

    def _sum(self, file: TreeFile, offset: int) -> PartSum:
        [found] = self._backend.sum_parts([(self._path(file), offset, PART)])
        return found

    def _rest(self, file: TreeFile, part: io.FileIO) -> list[str]:
        """Write what is not in `part` yet; the checksums of all of it."""
        sums = sums_of(part)
        self._came(file, sums.size)
        # Written as it comes: what is in the file when this process is killed is its beginning.
        for data in self._backend.read_pieces(self._path(file), file, start=sums.size):
            write_all(part, data)
            sums.add(data)
            self._bytes += len(data)
            self._came(file, len(data))
        return sums.all()

    def _put(self, file: TreeFile) -> None:
        part = self._kept.path(file)
        os.utime(part, ns=(file.mtime, file.mtime))
        self._home.put(part, file.path)


def _batches(files: Iterable[TreeFile]) -> Iterator[list[TreeFile]]:
    """Small files together, and after them each of the others by itself."""
    batch: list[TreeFile] = []
    large: list[TreeFile] = []
    size = 0
    for file in files:
        if file.size > SMALL:
            large.append(file)
            continue
        if batch and (size + file.size > TOGETHER or len(batch) == MOST_TOGETHER):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch
    yield from ([file] for file in large)
