"""What runs on the compute node: ``python <archive> <job directory>``. Standard library only.

Reads the payload, restores the imports the client had, replaces placeholders by the results of
other jobs, calls the function, and leaves the result envelope, the job's metadata and an event.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the job whose directory is the first argument; the exit status is Slurm's to judge."""
    from slurm.runner.execute import run_job

    # A user's script that is loaded here must not take our argument for one of its own.
    directory = os.path.abspath(sys.argv.pop(1))
    sys.exit(run_job(directory))
