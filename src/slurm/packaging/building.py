"""A wheel of the user's project, built once per process and content."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import io
import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path

from slurm import forks
from slurm.errors import PackagingError
from slurm.packaging.programs import run
from slurm.packaging.projects import fingerprint

logger: logging.Logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wheel:
    """A built wheel. `address` stands for what is in it: the same files, the same address."""

    name: str
    address: str
    content: bytes = field(repr=False)

    @functools.cached_property
    def modules(self) -> tuple[str, ...]:
        """The names under which what is in it can be imported."""
        import zipfile

        with zipfile.ZipFile(io.BytesIO(self.content)) as archive:
            found = {name.partition("/")[0] for name in archive.namelist()}
        names = {name.removesuffix(".py") for name in found}
        return tuple(sorted(name for name in names if name.isidentifier()))


_built: dict[tuple[Path, bool], tuple[str, Wheel]] = {}
_building = forks.Lock()


def wheel_of(project: Path, *, isolated: bool) -> Wheel:
    """The wheel of the project as it is now. Raises `PackagingError` when it cannot be built.

    `isolated` has the build tool make an environment with what the project's build needs.
    """
    with _building:
        state = fingerprint(project)
        known = _built.get((project, isolated))
        if known is None or known[0] != state:
            logger.info("building the wheel of %s", project)
            known = _built[project, isolated] = state, _build(project, isolated)
        return known[1]


def _build(project: Path, isolated: bool) -> Wheel:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="slurm-tasks-") as folder:
        what = f"the wheel of {project} could not be built"
        run(what, [*_tool(folder), *([] if isolated else ["--no-build-isolation"]), str(project)])
        wheels = list(Path(folder).glob("*.whl"))
        if len(wheels) != 1:
            raise PackagingError(f"{what}: the build left {len(wheels)} wheels, not one")
        content = wheels[0].read_bytes()
    return Wheel(wheels[0].name, address_of(wheels[0].name, content), content)


def _tool(folder: str) -> list[str]:
    """The command that builds a wheel into `folder`."""
    import shutil

    uv = shutil.which("uv")
    if uv is not None:
        return [uv, "build", "--wheel", "--python", sys.executable, "--out-dir", folder]
    if importlib.util.find_spec("pip") is None:
        raise PackagingError(
            f"nothing here can build a wheel: uv is not on the PATH, and {sys.executable} has no pip"
        )
    quiet = ["--disable-pip-version-check", "--no-input"]
    return [sys.executable, "-m", "pip", "wheel", *quiet, "--no-deps", "--wheel-dir", folder]


def address_of(name: str, content: bytes) -> str:
    """The content address of a wheel file, in which times do not count."""
    import zipfile

    digest = hashlib.sha256(name.encode())
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in sorted(archive.namelist()):
            data = archive.read(member)
            digest.update(f"\0{member}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:16]
