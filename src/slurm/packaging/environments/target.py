"""The Python for which packages are chosen: one on a cluster, which need not be like the one here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slurm.errors import ConfigError

# The oldest C libraries that wheels of a machine are made for.
OLDEST_GLIBC = {"x86_64": 5, "i686": 5}
NEWER_MACHINES = 17
OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
# Of those between, uv knows these.
UV_MACHINES = ("x86_64", "aarch64", "riscv64")
UV_GLIBC = (*range(40, 30, -1), 28, 17)


@dataclass(frozen=True)
class Target:
    """An interpreter, as it has told of itself: see ``facts`` of the environment installer.

    >>> alma = Target((3, 11, 4), "cpython", "cp311", "linux-x86_64", ("glibc", 2, 28), {})
    >>> str(alma)
    'Python 3.11 on linux x86_64 with glibc 2.28'
    >>> alma.platforms[:2], len(alma.platforms)
    (['manylinux_2_28_x86_64', 'manylinux_2_27_x86_64'], 28)
    """

    version: tuple[int, ...]
    implementation: str
    abi: str
    platform: str
    libc: tuple[Any, ...]
    markers: Mapping[str, str]

    @classmethod
    def told(cls, facts: Mapping[str, Any]) -> Target:
        """The one that has told this of itself."""
        lists = {"version": tuple(facts["version"]), "libc": tuple(facts["libc"])}
        return cls(**{**facts, **lists})

    @property
    def python_version(self) -> str:
        return ".".join(map(str, self.version))

    @property
    def machine(self) -> str:
        return self.platform.partition("-")[2].replace("-", "_").replace(".", "_")

    @property
    def platforms(self) -> Sequence[str]:
        """The platform tags of the wheels it can have, the best first."""
        if not self.platform.startswith("linux-"):
            return [self.platform.replace("-", "_").replace(".", "_")]
        name, *version = self.libc
        if name == "musl":
            tags = [f"musllinux_1_{minor}_{self.machine}" for minor in range(version[1], -1, -1)]
        else:
            tags = list(self._manylinux(version[1] if version else 0))
        return [*tags, f"linux_{self.machine}"]

    def _manylinux(self, newest: int) -> Sequence[str]:
        tags = []
        for minor in range(newest, OLDEST_GLIBC.get(self.machine, NEWER_MACHINES) - 1, -1):
            tags.append(f"manylinux_2_{minor}_{self.machine}")
            if minor in OLD_NAMES:
                tags.append(f"{OLD_NAMES[minor]}_{self.machine}")
        return tags

    @property
    def pip_options(self) -> list[str]:
        """By which pip chooses wheels for it, whatever it runs with itself."""
        implementation = "cp" if self.implementation == "cpython" else "py"
        options = ["--only-binary", ":all:", "--python-version", self.python_version]
        options += ["--implementation", implementation, "--abi", self.abi]
        return options + [word for tag in self.platforms for word in ("--platform", tag)]

    @property
    def uv_options(self) -> list[str] | None:
        """By which uv resolves for it; None where uv does not know of such a platform."""
        platform = None
        if self.platform.startswith("linux-") and self.machine in UV_MACHINES:
            platform = f"{self.machine}-unknown-linux-musl"
            if self.libc[0] != "musl":
                known = [minor for minor in UV_GLIBC if minor <= self.libc[2]]
                platform = f"{self.machine}-manylinux_2_{known[0]}" if known else None
        if platform is None:
            return None
        options = ["--python-version", self.python_version, "--python-platform", platform]
        return [*options, "--only-binary", ":all:"]

    def require(self, versions: str, origin: str, python: str) -> None:
        """Raises `ConfigError` unless its version is one of these, as ``requires-python`` spells them."""
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            fits = SpecifierSet(versions).contains(self.python_version, prereleases=True)
        except InvalidSpecifier:
            raise ConfigError(f"{origin}: requires-python {versions!r} is no version") from None
        if not fits:
            raise ConfigError(
                f"{origin} requires Python {versions}, and {python} on the cluster is {self.python_version}: name "
                "another interpreter there with the packaging's python, or change requires-python"
            )

    def __str__(self) -> str:
        name, *version = self.libc
        libc = f" with {name} {'.'.join(map(str, version))}" if name else ""
        platform = self.platform.replace("-", " ", 1)
        return f"Python {self.version[0]}.{self.version[1]} on {platform}{libc}"
