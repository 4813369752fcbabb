"""The SDK that travels with a job is what programs find that the job starts, and what pip finds to be installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import slurm
from slurm import Cluster, task

PROGRAMS = [
    "import slurm; print(slurm.__version__, slurm.__file__)",
    "import importlib.metadata as m; print(m.version('slurm-tasks'), m.distribution('slurm-tasks').locate_file(''))",
]


@task
def found_by_children(programs: list[str]) -> list[str]:
    """What programs print that the job starts."""
    children = [
        subprocess.run([sys.executable, "-c", one], capture_output=True, check=False)
        for one in programs
    ]
    return [(one.stdout + one.stderr).decode().strip() for one in children]


def test_a_child_of_a_job_finds_the_sdk_that_travelled(local: Cluster, local_base: Path) -> None:
    for found in found_by_children(PROGRAMS).get_result(120):
        version, _, place = found.partition(" ")
        assert version == slurm.__version__
        assert (local_base / ".sdk").resolve() in Path(place).parents
