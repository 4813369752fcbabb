"""Faults on the way of a submission through a real ssh to a real sbatch, and the scheduler's own books."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cluster_tasks
from slurm import Cluster, Job
from slurm.errors import SubmissionUnknown
from slurm.submit.calls import token_of_key
from slurm.testing import DockerCluster

TIMEOUT = 240.0
# The agent's Python, and that of the jobs: it finds the sbatch below before the real one.
PYTHON = """#!/bin/sh
HERE={here}
PATH="$HERE/bin:$PATH"
export PATH
if [ "$2" = -c ] && mv "$HERE/step" "$HERE/step.$$" 2>/dev/null; then
    exec python3 "$HERE/killed.py" "$HERE/step.$$" "$@"
fi
exec python3 "$@"
"""
# Does once what a test has written to the file `plan`; $PPID is the agent.
SBATCH = """#!/bin/sh
HERE={here}
if mv "$HERE/plan" "$HERE/plan.$$" 2>/dev/null; then . "$HERE/plan.$$"; exit; fi
exec /usr/bin/sbatch "$@"
"""


class Bench:
    """A folder on the cluster with programs that go wrong when they are told to, and clients of it.

    `docker` is only looked at: other tests use it at the same time.
    """

    def __init__(self, docker: DockerCluster, folder: str) -> None:
        self.docker = docker
        self.folder = folder
        self._clients: list[Cluster] = []
        self.observer: Cluster = self.client(python=None)
        self.put("python", PYTHON.format(here=folder), executable=True)
        self.put("bin/sbatch", SBATCH.format(here=folder), executable=True)
        killed = Path(__file__).with_name("killed_at_step.py")
        self.put("killed.py", killed.read_text("utf-8"))

    @property
    def overrides(self) -> dict[str, Any]:
        """The arguments of a cluster whose submissions go wrong."""
        return {"python": f"{self.folder}/python", "job_base_dir": f"{self.folder}/jobs"}

    def client(self, **more: Any) -> Cluster:
        """A new client; with ``python=None`` one whose agent is left alone."""
        made = Cluster.from_env(
            self.docker.slurmfile, env="default", overrides={**self.overrides, **more}
        )
        self._clients.append(made)
        return made

    def close(self) -> None:
        for client in self._clients:
            client.close()

    # What is done to it

    def put(self, name: str, text: str, *, executable: bool = False) -> None:
        backend, path = self.observer.backend, f"{self.folder}/{name}"
        backend.write_file(path, text.encode())
        if executable:
            backend.run_program(["chmod", "700", path], timeout=TIMEOUT)

    def exists(self, name: str) -> bool:
        return self.observer.backend.file_exists(f"{self.folder}/{name}")

    def let_time_pass(self, key: str) -> None:
        """As if the submission had been cut off an hour ago: no job of it can come any more."""
        path = f"{self.folder}/jobs/.receipts/{token_of_key(key)}.json"
        known = json.loads(self.observer.backend.read_file(path))
        known["asked_at"] -= 3600
        self.observer.backend.write_file(path, json.dumps(known).encode())

    # What is seen

    def jobs_of(self, *keys: str) -> list[list[str]]:
        """The jobs that Slurm knows by the token of each key: of its queue, which keeps them for minutes, and its accounts.

        Those have a job's comment once it has ended.
        """
        found: dict[str, set[str]] = defaultdict(set)
        for argv in (
            ["squeue", "-h", "-t", "all", "-o", "%A|%k"],
            ["sacct", "-n", "-P", "-X", "-S", "now-1days", "-o", "JobIDRaw,Comment"],
        ):
            rows = self.docker.exec("login", argv, user="dev").stdout.split("\n")
            for job_id, _, comment in (row.partition("|") for row in rows):
                found[comment.split(" ")[0]].add(job_id)
        return [sorted(found[token_of_key(key)], key=int) for key in keys]

    def asked(self, client: Cluster, key: str) -> Job[int] | None:
        """The job that a submission with this key became; None while nobody can tell."""
        try:
            return client.submit(cluster_tasks.add, key=key)(20, 22)
        except SubmissionUnknown:
            return None

    def assert_one_job(self, job: Job[int] | None, key: str) -> None:
        """There is one job, and a new client finds it in every way, and its result."""
        assert job is not None, "nobody can tell"
        self.assert_one_job_each({key: job})

    def assert_one_job_each(self, jobs: Mapping[str, Job[int]]) -> None:
        """The same for many, by their keys."""
        once = [[job.id] for job in jobs.values()]
        assert self.jobs_of(*jobs) == once
        again = [self.asked(self.observer, key) for key in jobs]
        for job, found in zip(jobs.values(), again):
            assert found is not None
            others = self.observer.get_job(job.id), Job.from_dir(job.job_dir, self.observer)
            assert {one.id for one in (found, *others)} == {job.id}
            assert others[0].job_dir == found.job_dir == job.job_dir
            self.observer.operations.watch(found.records)
        assert [found.get_result(TIMEOUT) for found in again if found] == [42] * len(jobs)
        assert self.jobs_of(*jobs) == once
