"""A built wheel: what is in it, what it requires, and which Pythons can have it."""

from __future__ import annotations

import email
import functools
import hashlib
import io
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.message import Message

from slurm.errors import ConfigError, PackagingError
from slurm.packaging.environments.target import Target

# The versions of the C library that a compiled file names.
GLIBC = re.compile(rb"\0GLIBC_2\.(\d+)(?=\0)")


@dataclass(frozen=True)
class Wheel:
    """A built wheel. `address` stands for what is in it: the same files, the same address."""

    name: str
    address: str
    content: bytes = field(repr=False)

    @classmethod
    def read(cls, name: str, content: bytes) -> Wheel:
        """The wheel in a file of this name. Raises `PackagingError` where it is none."""
        try:
            return cls(name, _address_of(name, content), content)
        except zipfile.BadZipFile as error:
            raise PackagingError(f"{name} is no wheel: {error}") from None

    @functools.cached_property
    def modules(self) -> tuple[str, ...]:
        """The names under which what is in it can be imported."""
        with self._opened() as archive:
            found = {name.partition("/")[0] for name in archive.namelist()}
        names = {name.removesuffix(".py") for name in found}
        return tuple(sorted(name for name in names if name.isidentifier()))

    @functools.cached_property
    def _metadata(self) -> Message:
        with self._opened() as archive:
            [about] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
            return email.message_from_bytes(archive.read(about))

    @property
    def requires(self) -> Sequence[str]:
        """What it says that it depends on, those that belong to an extra too."""
        return [str(line) for line in self._metadata.get_all("Requires-Dist", [])]

    @property
    def extras(self) -> Sequence[str]:
        """Which extras it has."""
        return [str(name) for name in self._metadata.get_all("Provides-Extra", [])]

    def require_fit(self, target: Target, python: str) -> None:
        """Raises `ConfigError` where `target`, which is `python` on the cluster, cannot have this wheel."""
        wanted = str(self._metadata.get("Requires-Python", ""))
        if wanted:
            target.require(wanted, self.name, python)
        mine, there = self._tags(), set(_tags_of(target))
        if not mine & there:
            built_for = ", ".join(sorted(map(str, mine)))
            raise ConfigError(
                f"{self.name} is compiled for {built_for}, and {python} on the cluster is {target}: name another "
                f"interpreter there with the packaging's python, or submit with {_like(target)}, which builds it for that"
            )
        if target.libc[0] == "glibc" and self._glibc > target.libc[2]:
            raise ConfigError(
                f"{self.name} is compiled with glibc 2.{self._glibc}, and {python} on the cluster is {target}: name another "
                "interpreter there with the packaging's python, or build on a machine with a glibc as old as that"
            )

    def _tags(self) -> set[str]:
        python, abi, platform = self.name.removesuffix(".whl").split("-")[-3:]
        return {
            f"{one}-{two}-{three}".lower()
            for one in python.split(".")
            for two in abi.split(".")
            for three in platform.split(".")
        }

    @functools.cached_property
    def _glibc(self) -> int:
        """The newest glibc that a compiled file in it says it needs, by its minor version; 0 for none."""
        with self._opened() as archive:
            compiled = [name for name in archive.namelist() if re.search(r"\.so(\.|$)", name)]
            found = [int(one) for name in compiled for one in GLIBC.findall(archive.read(name))]
        return max(found, default=0)

    def _opened(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO(self.content))


def _tags_of(target: Target) -> Iterator[str]:
    from packaging import tags

    version, platforms = target.version[:2], list(target.platforms)
    if target.implementation == "cpython":
        abis = [target.abi, "abi3", "none"]
        yield from map(str, tags.cpython_tags(version, abis, platforms))
    yield from map(str, tags.compatible_tags(version, target.abi, platforms))


def _like(target: Target) -> str:
    """A Python here that builds for a target."""
    version = f"Python {target.version[0]}.{target.version[1]}"
    here = target.version[:2] == sys.version_info[:2]
    return f"{version} on a machine like that" if here else f"{version} here"


def _address_of(name: str, content: bytes) -> str:
    """The content address of a wheel file, in which times do not count."""
    digest = hashlib.sha256(name.encode())
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in sorted(archive.namelist()):
            data = archive.read(member)
            digest.update(f"\0{member}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:16]
