"""A cluster that is being disturbed, its client, and what Slurm itself says was submitted."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from typing import Any

from tests.conformance import waiting

from slurm import Cluster, Job
from slurm.testing import DockerCluster

TIMEOUT = 240.0
# Far longer than a result takes that is on its way, and than the scheduler is left alone.
A_WHILE = 3.0
JOB_STATE, SAVED_BEFORE = "/var/lib/slurm/slurmctld/job_state", "/run/saved-before"


def wait_until(true: Callable[[], object], what: str) -> None:
    waiting.wait_until(true, what, TIMEOUT, every=0.1)


def connect(docker: DockerCluster) -> Cluster:
    """A client that asks often, so that what it must not do would show soon."""
    often = {"poll_interval_min": 0.5, "poll_interval_max": 1.0}
    return Cluster.from_env(docker.slurmfile, env="default", overrides=often)


@dataclass
class Site:
    """`docker` is what is disturbed, `client` what has to bear it, `folder` is on the shared volume."""

    docker: DockerCluster
    client: Cluster
    folder: str
    before: dict[str, set[str]] = field(default_factory=dict)

    @property
    def gate(self) -> str:
        return f"{self.folder}/gate"

    def another_client(self) -> AbstractContextManager[Cluster]:
        """One that knows nothing of the first; not active, and closed at the end of the block."""
        return closing(connect(self.docker))

    def shell(self, *argv: str, on: str = "c2") -> str:
        """What a command prints on a node that is there: the client's connection has nothing to do with it."""
        return self.docker.exec(on, argv, user="dev").stdout

    def open_gate(self) -> None:
        self.shell("touch", self.gate)

    def wait_for_runs(self, count: int) -> None:
        """Until so many jobs have come to the gate."""
        wait_until(lambda: self.runs() >= count, f"{count} jobs run")

    def runs(self) -> int:
        names = self.shell("ls", self.folder).splitlines()
        return sum(name.startswith("gate.") for name in names)

    def wait_until_saved(self, held: str) -> None:
        """Until the controller has all jobs on its disk, which it writes up to 5 s late.

        A job it has not written it does not know any more after it was killed; `held` is one to change.
        """
        controller = self.docker.exec
        controller("slurmctld", ["touch", SAVED_BEFORE])
        self.shell("scontrol", "update", f"jobid={held}", "timelimit=9")
        newer = ["find", JOB_STATE, "-newer", SAVED_BEFORE]
        wait_until(
            lambda: controller("slurmctld", newer, check=False).stdout != "", "its jobs are saved"
        )

    def jobs_by_token(self) -> dict[str, set[str]]:
        """The jobs there have been, by how they were submitted; since this site began, and by Slurm's accounts.

        Also those that had an id before another job got it; a job's comment is there only when it has ended.
        """
        argv = ["sacct", "-D", "-n", "-P", "-X", "-S", "now-1days", "-o", "JobID,SubmitLine"]
        found = defaultdict(set)
        for line in self.shell(*argv).splitlines():
            job_id, _, submitted = line.partition("|")
            for token in re.findall(r"--comment=(\S+)", submitted):
                found[token].add(job_id.partition("_")[0])
        return {token: ids for token, ids in found.items() if token not in self.before}

    def assert_submitted_once(self, ran: Iterable[Job[Any]], count: int) -> None:
        """Of so many submissions, no one is two jobs; Slurm's accounts being complete as to those that `ran`."""
        tokens = {job.records[0].token.partition("_")[0] for job in ran}
        wait_until(lambda: tokens <= set(self.jobs_by_token()), "accounts know the jobs")
        found = self.jobs_by_token()
        assert {token: ids for token, ids in found.items() if len(ids) > 1} == {}
        assert len(found) <= count
