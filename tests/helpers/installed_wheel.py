"""The SDK as its users install it: built as a wheel, in a fresh environment, with nothing of the checkout in sight."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
DOWNSTREAM = CHECKOUT / "tests" / "downstream"
# What would have Python or pip look elsewhere.
OF_THE_CHECKOUT = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER")


class InstalledWheel:
    """A virtual environment in `folder`, made when `make` is called, and commands that are run with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python: Path = folder / "venv" / "bin" / "python"

    def make(self, requirements: Sequence[str]) -> None:
        """Build the wheel, and install it with the extra ``testing``, and what else is required."""
        wheels = self.folder / "dist"
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
        self.run([*build, "--directory", str(wheels)], CHECKOUT)
        [wheel] = wheels.glob("*.whl")
        self.run([sys.executable, "-m", "venv", str(self.folder / "venv")], self.folder)
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--no-input"]
        self.run([*pip, f"{wheel}[testing]", *requirements], self.folder)

    def run(self, argv: Sequence[str], cwd: Path, timeout: float = 800) -> str:
        """What a command prints that succeeds, in an environment that knows nothing of the checkout."""
        environment = {key: text for key, text in os.environ.items() if key not in OF_THE_CHECKOUT}
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def pytest(self, project: Path, *options: str) -> str:
        """What pytest prints in a project, of tests that pass."""
        return self.run([str(self.python), "-m", "pytest", "-q", *options], project)


def copy_of_the_sample(folder: Path) -> Path:
    """The project ``tests/downstream``, copied out of the checkout."""
    ignored = shutil.ignore_patterns("__pycache__", ".slurm-cluster", ".pytest_cache")
    shutil.copytree(DOWNSTREAM, folder, ignore=ignored)
    return folder
