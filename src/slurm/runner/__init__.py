"""What runs on the compute node: ``python <archive> <job directory>``. Standard library only.

For an array the directory is followed by three numbers: the first of this submission's tasks, how
many items there are, and how many of them a task runs; and by a fourth, 1, where each item of a pack is to have a
directory of its own.

Reads the payload, restores the imports the client had, replaces placeholders by the results of
other jobs, calls the function, and leaves the result envelope, the job's metadata and an event.

- `execute`: one job, from its payload to its result file; `work`: its function, and the arguments of each call;
  `put_away`: what a call has come to;
- `packed`: the items that an array task runs one after the other; `item_log`: what they have come to, in the files that
  `record_writer` writes;
- `imports`: the order of imports, and modules of the user's whose name is another's there;
- `scripts`: the user's ``__main__``; `functions`: the user's function, found by the reference that travelled;
- `injection`: the contexts among its arguments;
- `returned`: what it returned, with results in the place of jobs; a coroutine is run;
- `missing_modules`: what to say where a module is not there;
- `placeholders`: the result that a placeholder stands for, read from the other job's directory.

It may import any room below it, and imports few: a job starts in the time that takes. What only some jobs need is imported
where they need it; `slurm.node` has what a job knows of itself.
"""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Run the job whose directory is the first argument; the exit status is Slurm's to judge."""
    from slurm.runner.execute import run_array_task, run_job

    gc.freeze()  # what is loaded by now stays, also when Python ends
    gc.enable()  # the archive's entry point switched it off
    # A user's script that is loaded here must not take our arguments for its own.
    path, *numbers = sys.argv[1:]
    del sys.argv[1:]
    directory = os.path.abspath(path)
    sys.exit(run_array_task(directory, *map(int, numbers)) if numbers else run_job(directory))
