"""A user's project on this machine, as large as a benchmark wants it, with a program in it that submits its tasks."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "measured"
version = "1"
requires-python = ">=3.9"
dependencies = ["numpy"]
"""
TASKS = '''\
"""The tasks of the project."""
import sys

from slurm import task


@task
def double(number=21):
    return 2 * number


@task
def environment():
    try:
        import numpy
    except ImportError:
        return [sys.prefix, ""]
    return [sys.prefix, numpy.__version__]
'''
# A build backend that needs nothing, and that counts how often it builds: in a file beside the project, not beside the copy
# that it is built in.
BACKEND = """\
import os
import zipfile

INFO = "measured-1.dist-info"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open(BUILDS, "a") as builds:
        builds.write("built\\n")
    name = "measured-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        for module in ("__init__", "tasks"):
            wheel.write(f"src/measured/{module}.py", f"measured/{module}.py")
        metadata = "Metadata-Version: 2.1\\nName: measured\\nVersion: 1\\nRequires-Dist: numpy\\n"
        wheel.writestr(f"{INFO}/METADATA", metadata)
        wheel.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{INFO}/RECORD", "")
    return name
"""
COPIED = ("__init__", "clients/__init__", "clients/line_server", "clients/project")


class Project:
    """A project in `folder`; with `files` more, of `size` bytes together, which cannot be compressed."""

    def __init__(self, folder: Path, *, files: int = 0, size: int = 0) -> None:
        self.folder = folder
        self.package = folder / "src" / "measured"
        self.package.mkdir(parents=True)
        (folder / "pyproject.toml").write_text(PYPROJECT)
        self._builds = folder.absolute().parent / "builds"
        (folder / "backend.py").write_text(f"BUILDS = {str(self._builds)!r}\n{BACKEND}")
        (self.package / "__init__.py").touch()
        (self.package / "tasks.py").write_text(TASKS)
        for name in COPIED:
            target = folder / "benchmarks" / f"{name}.py"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "benchmarks" / f"{name}.py", target)
        noise = random.Random(0)
        for number in range(files):
            path = self.package / "data" / f"{number // 100}" / f"{number}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(noise.randbytes(size // files))

    def edit(self) -> None:
        """Change one file."""
        with (self.package / "tasks.py").open("a") as tasks:
            tasks.write(f"# edited at line {tasks.tell()}\n")

    def builds(self) -> int:
        """How many wheels were built, of it and of the projects beside it."""
        return len(self._builds.read_text().splitlines()) if self._builds.exists() else 0

    @property
    def environment(self) -> dict[str, str]:
        """What its programs find: its own modules, and the SDK."""
        return {"PYTHONPATH": f"{self.folder / 'src'}:{ROOT / 'src'}"}
