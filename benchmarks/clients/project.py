"""This SDK over ssh, as a program of a user's project: what its submissions cost with each packaging.

The harness copies it into a project, beside whose ``src`` it is run; see `benchmarks.measured.packagings`.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

from benchmarks.clients.line_server import seconds_of, serve
from slurm import Cluster


class Program:
    """One program of the project; it has a cluster for each packaging that it is asked for."""

    def __init__(self, slurmfile: str, base: str) -> None:
        self._slurmfile = slurmfile
        self._base = base
        self._clusters: dict[str, Cluster] = {}
        self._tasks = importlib.import_module("measured.tasks")

    def connect(self, packaging: dict[str, Any]) -> None:
        """Have a cluster with this packaging, and its connection."""
        self._cluster(packaging).backend.host()

    def submit(self, packaging: dict[str, Any]) -> float:
        """Seconds for one call of a task."""
        with self._cluster(packaging):
            return seconds_of(self._tasks.double)

    def run(self, packaging: dict[str, Any]) -> list[str]:
        """Where the Python of a job is, and of which version numpy is there; empty for none."""
        with self._cluster(packaging):
            job = self._tasks.environment()
        found: list[str] = job.get_result(timeout=300)
        return found

    def close(self) -> None:
        for cluster in self._clusters.values():
            cluster.close()

    def _cluster(self, packaging: dict[str, Any]) -> Cluster:
        key = json.dumps(packaging, sort_keys=True)
        if key not in self._clusters:
            overrides = {"packaging": packaging, "job_base_dir": self._base}
            self._clusters[key] = Cluster.from_env(self._slurmfile, overrides=overrides)
        return self._clusters[key]


def main() -> None:
    """Serve the cluster of the Slurmfile that the arguments name, with jobs in the directory they name."""
    program = Program(*sys.argv[1:])
    operations = (program.connect, program.submit, program.run)
    try:
        serve({one.__name__: one for one in operations})
    finally:
        program.close()


if __name__ == "__main__":
    main()
