"""A program of MPI in a task on two nodes; travels to the cluster."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from slurm import JobContext, task

# Each process says which it is, of how many, where, and what all of them add up to.
PROGRAM = """
from mpi4py import MPI
world = MPI.COMM_WORLD
total = world.allreduce(world.Get_rank() + 1)
print(world.Get_rank(), world.Get_size(), MPI.Get_processor_name(), total, flush=True)
"""


@task(nodes=2, ntasks_per_node=2, time="00:05:00", mem="500M", partition="others")
def add_up(job: JobContext, starter: Sequence[str]) -> dict[str, Any]:
    """What a program on all nodes says, and how it ended."""
    launch = [*starter, sys.executable, "-c", PROGRAM]
    done = subprocess.run(launch, capture_output=True, text=True, timeout=240, check=False)
    return {"status": done.returncode, "said": done.stdout.splitlines(), "errors": done.stderr}
