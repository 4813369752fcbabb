"""``slurm launch`` and ``slurm run``, killed at every step of what they do to files: run as a program. Prints one JSON value.

``python killed_launches.py FOLDER``
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.helpers.killed_trackers import Scheduler
from tests.helpers.killed_writers import die_at, fork, manifest
from tests.helpers.run_project import Fixed

from slurm import Cluster
from slurm.api.base import JobRequest, Submitted
from slurm.runs import ledger_file, store
from slurm.runs.advance import EVERY, Advance
from slurm.runs.detect import Detection
from slurm.runs.launch import launch_of, new_manifest
from slurm.runs.policy import load_policy
from slurm.runs.selection import select
from slurm.runs.step import Action

MOST_STEPS = 400
DOC = "docs/slurm_job_list.md"
ACTIONS = EVERY - {Action.OBSERVE}


class Looked(Scheduler):
    """It finds the job of a submission; and counts how often a job was asked for."""

    def find_job(self, job_dir: str, *, token: str, **about: str) -> str | None:
        known = self.known().get(token)
        return known[0] if known else None

    def submit_jobs(self, requests: Sequence[JobRequest], **where: Any) -> list[Submitted]:
        if requests[0].token in self.known():
            os._exit(7)  # a second submission
        os.listdir(self.file.parent)  # a step before it is asked
        answers = super().submit_jobs(requests, **where)
        os.listdir(self.file.parent)  # and one before it has answered
        return answers


def cluster_of(place: Path) -> Cluster:
    return Cluster(Looked(place / "jobs"), job_base_dir="/jobs")


def launch(place: Path) -> None:
    """What ``slurm launch`` does."""
    policy, cluster = load_policy(place), cluster_of(place)
    begun = launch_of(Detection("slurm", "design", "", ()), policy, place / "iter1")
    advance = Advance(Fixed(cluster), policy, "slurm launch", actions=ACTIONS)
    advance.submit(new_manifest(begun, policy, cluster))


def run(place: Path) -> None:
    """What ``slurm run`` does, until it asks about the job."""
    policy = load_policy(place)
    advance = Advance(Fixed(cluster_of(place)), policy, "slurm run", actions=ACTIONS)
    advance.all(select(start=place).manifests)


def left(place: Path) -> dict[str, Any]:
    """What is there now."""
    manifests = [store.read(path) for path in store.find(place)]
    text = ledger_file.read(place / DOC)
    return {
        "jobs": len(Looked(place / "jobs").known()),
        "runs": [[str(one.status), one.job_id] for one in manifests],
        "entries": [line for line in text.splitlines() if "run_id=" in line],
    }


def steps(folder: Path) -> Any:
    """For each step of a launch: what a process left that died at it, what the next run made of it, and how that ended."""
    seen = []
    for step in range(MOST_STEPS):
        place = folder / str(step)
        (place / "iter1").mkdir(parents=True)
        (place / ".slurm").mkdir()
        (place / "iter1/run_slurm.sbatch").write_text("#!/bin/bash\n")

        def one(step: int = step, place: Path = place) -> None:
            die_at(step)
            launch(place)

        status = os.waitpid(fork(one), 0)[1]
        died = left(place)
        again = os.waitpid(fork(lambda place=place: run(place)), 0)[1]  # type: ignore[misc]
        seen.append([died, left(place), again])
        if status != signal.SIGKILL:
            return {"status": status, "seen": seen}
    return {"status": None, "seen": seen}


if __name__ == "__main__":
    import filelock  # noqa: F401  # once for all children

    manifest(0)
    sys.stdout.write(json.dumps(steps(Path(sys.argv[1]))))
