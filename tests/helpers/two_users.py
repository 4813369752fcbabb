"""Two users of one machine who share a project and an account of a cluster: run as a program, by root.

``python two_users.py FOLDER UMASK`` prints one JSON value: what each of them was told in turn.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.helpers.far import Far
from tests.helpers.killed_writers import fork
from tests.helpers.run_project import SCRIPT, Fixed

from slurm import Cluster
from slurm.api.requests import JobRequest, Submitted
from slurm.errors import SlurmError
from slurm.runs import store
from slurm.runs.advance import MONITORED, Advance
from slurm.runs.launch import Launch, new_manifest
from slurm.runs.policy import load_policy
from slurm.runs.selection import select
from slurm.runs.step import Action
from slurm.states import JobState, Observation

FIRST, SECOND, STRANGER, GROUP = 64001, 64002, 64003, 64000
DESIGN = "artifacts: {required: [deep/a.json]}\nmetrics: {n: {file: deep/a.json, key: n}}\n"


class Backend(Far):
    """A cluster whose jobs end at once: odd ones well, others badly."""

    def __init__(self) -> None:
        super().__init__(object())

    def submit_jobs(self, requests: Sequence[JobRequest], **where: Any) -> list[Submitted]:
        [request] = requests
        mask = os.umask(0)  # the cluster has its own
        there = Path(request.directories[0])
        (there / "deep").mkdir(parents=True)
        (there / "deep/a.json").write_text('{"n": 1}')
        number = len(list(there.parents[1].iterdir()))
        (there.parent / f"slurm_{number}.out").write_text("hello")
        os.umask(mask)
        return [Submitted(str(number), request.job_dir)]

    def query_jobs(self, job_ids: Sequence[str]) -> list[Observation]:
        ends = (JobState.FAILED, JobState.COMPLETED)
        return [Observation(one, "sacct", ends[int(one) % 2]) for one in job_ids]


class People:
    """Those who share the project at `root`; `say` writes down what happens."""

    def __init__(self, folder: Path, umask: int) -> None:
        self.root, self.base, self.umask = folder / "project", folder / "cluster", umask
        self.iteration = self.root / "plan/iter1"
        self.iteration.mkdir(parents=True)
        self.base.mkdir()
        (self.root / ".slurm").mkdir()
        (self.root / "docs").mkdir()
        (self.iteration / "design.yaml").write_text(DESIGN)
        (self.iteration / "run_slurm.sbatch").write_text(SCRIPT)
        for path in (self.base, self.root, *self.root.rglob("*")):
            os.chown(path, -1, GROUP)
            path.chmod(0o2770 if path.is_dir() else 0o660)
        self.report = folder / "report"
        self.report.mkdir()
        self.report.chmod(0o777)

    def all(self, actions: frozenset[Action]) -> Any:
        """Take all runs on."""
        selection = select(start=self.root)
        with Cluster(Backend(), job_base_dir=str(self.base)) as cluster:
            advance = Advance(Fixed(cluster), selection.policy, "slurm run", actions=actions)
            said = [str(one) for one in advance.all(selection.manifests)]
        return said + [str(one) for one in selection.broken]

    def launch(self) -> Any:
        """Begin a run."""
        policy = load_policy(self.root)
        with Cluster(Backend(), job_base_dir=str(self.base)) as cluster:
            launch = Launch(self.iteration, self.iteration / "run_slurm.sbatch", "slurm")
            advance = Advance(Fixed(cluster), policy, "slurm launch")
            return str(advance.submit(new_manifest(launch, policy, cluster)))

    def run(self) -> Any:
        """Take all runs as far as they can go."""
        return self.all(frozenset(Action) - {Action.ASK, Action.NOTHING})

    def monitor(self) -> Any:
        """Bring all home, and leave the numbers to others."""
        return self.all(MONITORED)

    def look_at_a_private_run(self) -> Any:
        """What is said of a run whose directory is the first one's alone."""
        return [str(one) for one in select(start=self.root / "private").broken]

    def as_user(self, user: int, body: Callable[[], Any]) -> Any:
        """What a function returns that one of them calls."""
        report = self.report / str(user)

        def one() -> None:
            os.setgroups([GROUP] if user != STRANGER else [])
            os.setgid(user)
            os.setuid(user)
            mask = os.umask(self.umask)
            try:
                said = body()
            except SlurmError as error:
                said = str(error)
            os.umask(mask)
            report.write_text(json.dumps(said))

        report.unlink(missing_ok=True)
        os.waitpid(fork(one), 0)
        return json.loads(report.read_text()) if report.exists() else None


def main(folder: Path, umask: int) -> Any:
    """The one begins runs, the other one finishes them, and the first looks again."""
    (folder / "warm").mkdir()
    warm = People(folder / "warm", 0o077)  # imports all that they need, which they may not read
    said: Any = [warm.launch(), warm.launch(), warm.run(), warm.run()]
    people = People(folder, umask)
    private = people.root / "private/runs/20260218T160045Z"
    private.mkdir(mode=0o700, parents=True)
    said = {
        "first": [people.as_user(FIRST, people.launch) for _ in range(2)],
        "stranger": people.as_user(STRANGER, people.run),
        "second": people.as_user(SECOND, people.monitor),
        "private": people.as_user(SECOND, people.look_at_a_private_run),
        "again": people.as_user(FIRST, people.run),
        "third": people.as_user(SECOND, people.launch),
        "last": people.as_user(FIRST, people.run),
    }
    found = [store.read(path) for path in store.find(people.root)]
    made = [path for one in people.iteration.glob("runs/*") for path in (one, *one.rglob("*"))]
    modes = {oct(path.stat().st_mode & 0o777) for path in made}
    return {**said, "statuses": [str(one.status) for one in found], "modes": sorted(modes)}


if __name__ == "__main__":
    import filelock  # noqa: F401

    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2], 8))))
