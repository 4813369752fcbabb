"""A program of a project, whose jobs run behind a backend that shares no files with it: ``source_program.py JOBS STATE``.

It prints, as JSON, what its jobs return. The project is renamed while they run, so that nothing of it can be found but what
was sent.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from mine.tasks import (  # type: ignore[import-not-found]  # of the project that a test writes
    evaluate,
    revision,
    script_value,
)

from slurm import Cluster, task
from slurm.agent.agent import Agent
from slurm.api.agent_backend import AgentBackend
from slurm.api.slurm_cli import InProcessBackend
from slurm.local.scheduler import LocalScheduler


class Elsewhere(InProcessBackend):
    """A local scheduler that is asked as one at the other end of a connection."""

    shares_filesystem = False
    open_file = AgentBackend.open_file
    open_files = AgentBackend.open_files
    sent = 0  # files of projects

    def request(self, op: str, params: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        self.sent += len(params["contents"]) if op == "copy" else 0
        return super().request(op, params, blob)


@task
def of_the_script(number: int) -> Any:
    return script_value(number)


if __name__ == "__main__":
    jobs, state = sys.argv[1:3]
    scheduler = LocalScheduler(state, max_cpus=2, max_mem=None, idle_timeout=5.0)
    project = Path(__file__).parent
    backend = Elsewhere(Agent(scheduler))
    with Cluster(backend, job_base_dir=jobs) as cluster:
        submitted = [evaluate(2), revision(), of_the_script(3)]
        moved = project.with_name("moved away")
        project.rename(moved)
        try:
            results = [job.get_result(120) for job in submitted]
        finally:
            moved.rename(project)
            os.chdir(project)
    cluster.close()
    scheduler.shutdown(kill_jobs=True)
    print(json.dumps([*results, backend.sent]))
