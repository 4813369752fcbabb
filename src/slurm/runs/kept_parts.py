"""What has arrived of files, each under a name that is made of which version it is a part of."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable
from pathlib import Path

from slurm.api.requests import TreeFile
from slurm.runs.sharing import share

SUFFIX = ".part"


class KeptParts:
    """Parts of files of the directory `remote`, in `folder`. Whoever finds one that is of the same version goes on with it.

    >>> kept = KeptParts(Path("."), "/scratch/me/7")
    >>> with kept.opened(TreeFile("model.pt", size=5)) as part:
    ...     part.write(b"abc")
    3
    >>> kept.forget_others([])
    >>> kept.path(TreeFile("model.pt", size=5)).exists()
    False
    """

    def __init__(self, folder: Path, remote: str) -> None:
        self._folder = folder
        self._remote = remote

    def path(self, file: TreeFile) -> Path:
        """Where the part of a file is."""
        version = f"{self._remote}\0{file.path}\0{file.size}\0{file.mtime}\0{file.inode}"
        name = hashlib.sha256(version.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return self._folder / (name + SUFFIX)

    def opened(self, file: TreeFile) -> io.FileIO:
        """The part, at its beginning; it is made where it is not there."""
        how = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        part = io.FileIO(os.open(self.path(file), how, 0o600), "r+b")
        share(part.fileno(), self._folder)
        return part

    def flush(self, file: TreeFile) -> None:
        """Have the part survive a crash of the machine."""
        with self.path(file).open("rb") as part:
            os.fsync(part.fileno())

    def forget_others(self, files: Iterable[TreeFile]) -> None:
        """Remove what is a part of none of these."""
        known = {self.path(file).name for file in files}
        for path in self._folder.glob("*" + SUFFIX):
            if path.name not in known:
                path.unlink(missing_ok=True)
