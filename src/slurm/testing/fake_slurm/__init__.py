"""A fake Slurm: `sbatch squeue sacct scancel scontrol sinfo` on the PATH that say what a test has them say.

::

    pytest                       the fixture fake_slurm of slurm.testing.plugin
      -> fake.FakeSlurm          what a test says, has run, disturbs and sees
           -> store              the folder that it shares with the commands: state, calls, faults
           -> said               what it says of jobs, and what it sees of them
           -> node               jobs run here as processes, where a test asks for that; job_environment: their variables
    squeue -h -u me              a program in that folder, found before a real one
      -> program                 one call: noted, disturbed, answered
           -> sbatch, squeue, sacct, scancel, scontrol, sinfo
                -> asked         the call, as the commands see it
                -> jobs, states  records of jobs, and how they go on
                -> rows, tables, sacct_fields, shown_jobs: what is printed of them
                -> submitted, dependencies, options, values: what is read

What the commands print, and with which exit status, was taken from Slurm 24.11.5; ``tests/scheduler_commands`` asks both the same.
An option, a field or a keyword that is not here is refused. `FakeSlurm` apart, all of this is for the programs, which start
without the rest of the package: standard library only, and relative imports only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .fake import FakeSlurm as FakeSlurm
    from .store import Call as Call

__all__ = ["Call", "FakeSlurm"]


def __getattr__(name: str) -> Any:
    if name == "FakeSlurm":
        from .fake import FakeSlurm

        return FakeSlurm
    if name == "Call":
        from .store import Call

        return Call
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
