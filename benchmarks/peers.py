"""The peers' environments: one each, with the pinned versions of `requirements/`, made where they are missing.

pip's own configuration says where packages come from.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.driver import NotPossible

REQUIREMENTS = Path(__file__).parent / "requirements"
TIMEOUT = 600
PIP = ("--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--retries", "3")
# What a peer asks of the Python it runs with.
LEAST_PYTHON = {"slurm-sdk": (3, 11)}
# A user's settings for other environments: these would install beside ours.
ELSEWHERE = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PYTHONHOME", "PYTHONPATH")


def versions(peer: str) -> dict[str, str]:
    """The pinned version of each package of a peer's environment."""
    lines = (REQUIREMENTS / f"{peer}.txt").read_text("utf-8").splitlines()
    pins = (line.split(" ")[0].partition("==") for line in lines if line[:1].isalnum())
    return {name: version for name, _, version in pins}


def environment(peer: str, folder: Path) -> Path:
    """The interpreter of `peer`'s own environment in `folder`. Raises `NotPossible`."""
    _require_python(peer)
    venv = folder / peer
    python = venv / "bin" / "python"
    stamp = venv / "made-of"
    if not _fresh(stamp, peer):
        shutil.rmtree(venv, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(venv)], peer, folder)
        _install([str(python)], peer, folder)
        stamp.write_text(_fingerprint(peer), "utf-8")
    return python


def packages(peer: str, folder: Path, *, nodes: bool = False) -> Path:
    """A folder with what `peer` is, to be copied to a cluster. Raises `NotPossible`.

    With `nodes` as built for the cluster's Python 3.13, else of pure Python.
    """
    target = folder / f"{peer}-packages"
    stamp = target / "made-of"
    if not _fresh(stamp, peer):
        shutil.rmtree(target, ignore_errors=True)
        more = ["--python-version", "3.13", "--only-binary", ":all:"] if nodes else []
        _install([sys.executable], peer, folder, "--target", str(target), *more)
        stamp.write_text(_fingerprint(peer), "utf-8")
    return target


def clean_environment() -> dict[str, str]:
    """This process's environment without what would lead a peer to other packages than its own."""
    return {name: value for name, value in os.environ.items() if name not in ELSEWHERE}


def _install(python: list[str], peer: str, folder: Path, *options: str) -> None:
    requirements = ["--require-hashes", "-r", str(REQUIREMENTS / f"{peer}.txt")]
    _run([*python, "-m", "pip", "install", *PIP, *options, *requirements], peer, folder)


def _require_python(peer: str) -> None:
    least = LEAST_PYTHON.get(peer, (3, 10))
    if sys.version_info < least:
        raise NotPossible(f"needs Python {least[0]}.{least[1]}")


def _fresh(stamp: Path, peer: str) -> bool:
    return stamp.is_file() and stamp.read_text("utf-8") == _fingerprint(peer)


def _fingerprint(peer: str) -> str:
    pinned = hashlib.sha256((REQUIREMENTS / f"{peer}.txt").read_bytes()).hexdigest()
    return f"{pinned} {sys.version.split()[0]} {Path(__file__).parent}\n"


def _run(argv: list[str], peer: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{peer}.log"
    with log.open("ab") as output:
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=clean_environment(),
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotPossible(f"not installed within {TIMEOUT} s") from None
    if done.returncode != 0:
        raise NotPossible(f"could not be installed, see {log.name}")
