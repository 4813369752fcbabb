"""What works in ``python program.py`` works in a job of it: its ``__main__`` is the program's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conformance.sites import Site
from tests.conformance.waiting import PATIENCE

PROGRAM = Path(__file__).parent / "tasks" / "main_program.py"
DONE = {
    "processes": True,
    "tasks to a process": True,
    "read by the script": True,
    "read by a task": True,
    "name": "__main__",
    "workflow": True,
    "without a name": True,
    "code of the node's Python": True,
}


@pytest.mark.story
def test_jobs_start_processes_and_pickle_as_the_program_does(site: Site) -> None:
    """Single jobs, arrays, workflows, the executor; every start method; functions that go by value."""
    how = {"backend": site.backend, "arguments": site.arguments, "slurmfile": site.slurmfile}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), json.dumps(how)],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == DONE
