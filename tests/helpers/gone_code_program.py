"""A program of a project whose code is removed on the cluster while it lives: ``gone_code_program.py JOBS STATE WHAT``.

`WHAT` is ``removed``: it removes everything itself; or a number of jobs, which it submits while `gc_loop` may remove what
they need at any moment. It prints, as JSON, what the jobs return.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from mine.tasks import scale  # type: ignore[import-not-found]  # of the project that a test writes

from slurm import Cluster
from slurm.agent.agent import Agent
from slurm.api.agent_backend import AgentBackend
from slurm.api.slurm_cli import InProcessBackend
from slurm.local.scheduler import LocalScheduler

PATIENCE = 120
AN_HOUR_AGO = 3600.0


class Elsewhere(InProcessBackend):
    """A local scheduler that is asked as one at the other end of a connection."""

    shares_filesystem = False
    open_file = AgentBackend.open_file
    open_files = AgentBackend.open_files
    asked: list[str]

    def request(self, op: str, params: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        self.asked.append(op)
        return super().request(op, params, blob)


def removed(cluster: Cluster, packages: Path) -> Any:
    """What is submitted singly, in a batch and as an array, each after all code was removed; and what was asked for it."""
    asked = cluster.backend.asked  # type: ignore[attr-defined]
    results = [scale(1).get_result(PATIENCE)]
    asked.clear()
    results.append(scale(2).get_result(PATIENCE))
    known = [op for op in asked if op in ("copy", "submit")]
    shutil.rmtree(packages)
    asked.clear()
    results.append(scale(3).get_result(PATIENCE))
    again = [op for op in asked if op in ("copy", "submit")]
    with cluster.batch():
        jobs = [scale(number) for number in (4, 5)]
        shutil.rmtree(packages)
    results += [job.get_result(PATIENCE) for job in jobs]
    array = scale.map([6, 7])
    shutil.rmtree(packages / "source")
    results += array.get_results(PATIENCE)
    return [results, known, again]


def race(cluster: Cluster, packages: Path, count: int) -> Any:
    """Jobs one after the other: before each, nobody has used the code for an hour, as far as its marks say."""
    results = []
    for number in range(count):
        for copy in packages.glob("source/mine-*"):
            try:
                at = copy.stat().st_mtime - AN_HOUR_AGO
                os.utime(copy, (at, at))
            except FileNotFoundError:
                continue
        results.append(scale(number).get_result(PATIENCE))
    return results


def gc_loop(jobs: str, state: str, until: Path) -> None:
    """Remove what can be removed until there is such a file, and a file beside it when that was something."""
    backend = InProcessBackend(Agent(scheduler_of(state)))
    while not until.exists():
        if backend.remove_packages(jobs, older_than=0).removed:
            until.with_name("removed").touch()


def scheduler_of(state: str) -> LocalScheduler:
    return LocalScheduler(state, max_cpus=2, max_mem=None, idle_timeout=5.0)


if __name__ == "__main__":
    base, state_dir, what = sys.argv[1:4]
    if what == "gc":
        gc_loop(base, state_dir, Path(sys.argv[4]))
        sys.exit()
    backend = Elsewhere(Agent(scheduler_of(state_dir)))
    backend.asked = []
    with Cluster(backend, job_base_dir=base) as cluster:
        there = Path(base) / ".packages"
        said = removed(cluster, there) if what == "removed" else race(cluster, there, int(what))
    cluster.close()
    print(json.dumps(said))
