"""A program of a project with dependencies, whose jobs run where no files are shared.

``dependencies_program.py JOBS STATE PACKAGING [flow] [again]`` prints, as JSON, what its jobs return, and which requests its
submissions made.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from mine.tasks import flow, report  # type: ignore[import-not-found]  # that a test writes

from slurm import Cluster
from slurm.agent.agent import Agent
from slurm.api.agent_backend import AgentBackend
from slurm.api.slurm_cli import InProcessBackend
from slurm.local.scheduler import LocalScheduler


class Elsewhere(InProcessBackend):
    """A local scheduler that is asked as one at the other end of a connection, and that notes what it is asked."""

    shares_filesystem = False
    open_file = AgentBackend.open_file
    open_files = AgentBackend.open_files

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent)
        self.asked: list[str] = []

    def request(self, op: str, params: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        self.asked.append(op)
        return super().request(op, params, blob)


if __name__ == "__main__":
    jobs, state, packaging = sys.argv[1:4]
    scheduler = LocalScheduler(state, max_cpus=2, max_mem=None, idle_timeout=5.0)
    backend = Elsewhere(Agent(scheduler))
    with Cluster(backend, job_base_dir=jobs, packaging=json.loads(packaging)) as cluster:
        job = report()
        asked = list(backend.asked)
        results = {"report": job.get_result(120)}
        if "again" in sys.argv[4:]:
            for name in ("env", "wheels", "contents"):
                shutil.rmtree(Path(jobs, ".packages", name))
            results["again"] = report().get_result(120)
    cluster.close()
    if "flow" in sys.argv[4:]:  # whose jobs find their scheduler again
        settings = {"job_base_dir": jobs, "packaging": json.loads(packaging), "idle_timeout": 2.0}
        with Cluster("local", **settings) as local:
            results["flow"] = flow().get_result(200)
        local.close()
    scheduler.shutdown(kill_jobs=True)
    print(json.dumps({**results, "asked": asked}))
