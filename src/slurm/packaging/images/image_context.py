"""What an image is built from: whether a file has changed that the build can see."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slurm.config.globs import Globs
from slurm.errors import ConfigError

IGNORED = ".dockerignore"
PLATFORM = "DOCKER_DEFAULT_PLATFORM"  # of the environment, for which docker builds


def context_state(context: Path, dockerfile: Path) -> str:
    """Another text whenever the Dockerfile has changed, or a file of the context that is not ignored, by sizes and times.

    Raises `ConfigError` where they cannot be read.
    """
    try:
        digest = hashlib.sha256(os.environ.get(PLATFORM, "").encode())
        digest.update(hashlib.sha256(dockerfile.read_bytes()).digest())
        ignored = Ignored.of(context, dockerfile)
        for path in sorted(_files(context, "", ignored)):
            digest.update(_line(context, path))
    except OSError as error:
        raise ConfigError(f"an image cannot be built: {error.filename}: {error.strerror}") from None
    return digest.hexdigest()


def _line(context: Path, path: str) -> bytes:
    """What counts of a file. A touched one counts as another: docker then finds that it is the same, and is quick."""
    file = os.path.join(context, path)
    try:
        found = os.lstat(file)
        target = os.readlink(file) if os.path.islink(file) else ""
    except FileNotFoundError:  # gone meanwhile
        return b""
    state = f"{found.st_mode} {found.st_size} {found.st_mtime_ns}"
    return f"{path}\0{state}\0{target}\n".encode(errors="surrogateescape")


def _files(context: Path, folder: str, ignored: Ignored) -> Iterator[str]:
    for entry in os.scandir(os.path.join(context, folder)):
        path = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_dir(follow_symlinks=False):
            if not (ignored.is_final and ignored.has(path)):
                yield from _files(context, path, ignored)
        elif not ignored.has(path):
            yield path


@dataclass(frozen=True)
class Ignored:
    """The lines of a ``.dockerignore``, in order: whether each takes files back in, and what it matches.

    Where a line cannot be understood as docker does, more files count than the build sees, never fewer.
    https://docs.docker.com/build/concepts/context/#dockerignore-files

    >>> ignored = Ignored.read(["# data", "*.csv", "/runs", "!runs/best.csv"])
    >>> [ignored.has(path) for path in ("big.csv", "deep/big.csv", "runs/1", "runs/best.csv")]
    [True, False, True, False]
    """

    rules: tuple[tuple[bool, Globs], ...] = ()

    @classmethod
    def of(cls, context: Path, dockerfile: Path) -> Ignored:
        """Those of a context: the file named after the Dockerfile goes before the context's own."""
        for file in (dockerfile.with_name(dockerfile.name + IGNORED), context / IGNORED):
            if file.is_file():
                return cls.read(file.read_text("utf-8", "surrogateescape").splitlines())
        return cls()

    @classmethod
    def read(cls, lines: list[str]) -> Ignored:
        """What these lines say."""
        words = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        return cls(tuple((word.startswith("!"), _globs(word)) for word in words))

    @property
    def is_final(self) -> bool:
        """Whether nothing is taken back in from a directory that is ignored."""
        return not any(takes_back for takes_back, _ in self.rules)

    def has(self, path: str) -> bool:
        """Whether the build does not see the file at `path`."""
        ignored = False
        for takes_back, globs in self.rules:
            if globs.match(path):
                ignored = not takes_back
        return ignored


def _globs(word: str) -> Globs:
    takes_back = word.startswith("!")
    pattern = os.path.normpath("/" + word.removeprefix("!").strip()).lstrip("/")
    glued = any("**" in part and part != "**" for part in pattern.split("/"))
    if takes_back and (glued or not pattern):
        pattern = "**"
    return Globs([pattern] if pattern else [], whole=True)
