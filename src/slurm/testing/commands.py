"""Commands that the dockerised cluster is started with, and the files that they read."""

from __future__ import annotations

import logging
import subprocess
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from slurm.testing.errors import ClusterError

logger: logging.Logger = logging.getLogger("slurm.testing")


def cluster_files() -> Path:
    """The folder with ``docker-compose.yml`` and ``docker/``.

    In an installed package they lie inside it, in a checkout at its root. Raises `ClusterError`.
    """
    here = Path(__file__).resolve()
    for folder in (here.parent / "_cluster", here.parents[3]):
        if (folder / "docker-compose.yml").is_file() and (folder / "docker").is_dir():
            return folder
    raise ClusterError(
        "docker-compose.yml and docker/ are missing from this installation of slurm-tasks"
    )


def run_logged(argv: Sequence[str], what: str) -> None:
    """Run `argv` and log what it writes. Raises `ClusterError`, with the last line first."""
    last: deque[str] = deque(maxlen=20)
    with subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            last.append(line.rstrip())
            logger.info("%s", last[-1])
    if process.returncode != 0:
        reason = last.pop() if last else f"exit status {process.returncode}"
        raise ClusterError("\n".join([f"{what} failed: {reason}", *last]))


def explain(done: subprocess.CompletedProcess[str]) -> str:
    """The line of a failed command that says why."""
    if done.returncode == 127:
        return "there is no docker command here"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit status {done.returncode}"
