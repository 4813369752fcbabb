"""Programs that submit with a `RunTracker`, and are killed or cannot write: run as a program. Prints one JSON value.

``python killed_trackers.py MODE FOLDER``; the modes are the functions of `MODES`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.helpers.fakes import FakeBackend
from tests.helpers.killed_writers import die_at, fork, manifest

from slurm import Cluster, task
from slurm.api.base import JobRequest, Submitted
from slurm.errors import SubmissionError
from slurm.runs import RunTracker, ledger_file, store

MOST_STEPS = 400
DOC = "docs/slurm_job_list.md"


@task
def double(number: int) -> int:
    return 2 * number


class Scheduler(FakeBackend):
    """One that outlives its clients: the jobs that it has are in a file."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def known(self) -> dict[str, tuple[str, str]]:
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return {token: (job_id, path) for token, job_id, path in map(str.split, lines)}

    def submit_jobs(self, requests: Sequence[JobRequest], **where: Any) -> list[Submitted]:
        known = self.known()
        [request] = requests
        if request.token in known:
            return [Submitted(*known[request.token], reattached=True)]
        answer = Submitted(str(len(known) + 1), request.job_dir)
        with self.file.open("a") as file:
            file.write(f"{request.token} {answer.job_id} {answer.job_dir}\n")
        return [answer]


def submit(place: Path) -> None:
    """What a program does."""
    callbacks = [RunTracker(place / "iter1")]
    cluster = Cluster(Scheduler(place / "jobs"), job_base_dir="/jobs", callbacks=callbacks)
    double.submit(cluster, key="a")(21)


def left(place: Path) -> dict[str, Any]:
    """What is there now."""
    manifests = [store.read(path) for path in store.find(place)]
    text = ledger_file.read(place / DOC)
    return {
        "jobs": len(Scheduler(place / "jobs").known()),
        "runs": [[str(one.status), one.job_id, one.section("submission")] for one in manifests],
        "entries": sum("run_id=" in line for line in text.splitlines()),
    }


def steps(folder: Path) -> Any:
    """For each step of what a submission does to files, a process dies at it, and another one submits with the same key."""
    warm = folder / "warm"
    (warm / "iter1").mkdir(parents=True)
    submit(warm)  # packages the task, once for all children
    seen = []
    for step in range(MOST_STEPS):
        place = folder / str(step)
        (place / "iter1").mkdir(parents=True)
        (place / ".slurm").mkdir()

        def one(step: int = step, place: Path = place) -> None:
            die_at(step)
            submit(place)

        status = os.waitpid(fork(one), 0)[1]
        died = left(place)
        again = os.waitpid(fork(lambda place=place: submit(place)), 0)[1]  # type: ignore[misc]
        seen.append([died, left(place), again])
        if status != signal.SIGKILL:
            return {"status": status, "seen": seen}
    return {"status": None, "seen": seen}


def refused(folder: Path, problem: Callable[[], object]) -> Any:
    """What a program is told that cannot write, and what there is then."""
    (folder / "iter1/runs").mkdir(parents=True)
    (folder / ".slurm").mkdir()
    problem()
    try:
        submit(folder)
    except SubmissionError as error:
        return {"error": str(error), **left(folder), "made": os.listdir(folder / "iter1/runs")}
    return None


def read_only(folder: Path) -> Any:
    """Nothing can be made in ``runs``."""
    return refused(folder, lambda: (folder / "iter1/runs").chmod(0o500))


def full(folder: Path) -> Any:
    """The system takes a part of what is written only, as a full disk does."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (120, 120))

    return refused(folder, limit)


MODES = (steps, read_only, full)

if __name__ == "__main__":
    import filelock  # noqa: F401  # before a limit is set, and once for all children

    manifest(0)
    [mode] = [function for function in MODES if function.__name__ == sys.argv[1]]
    sys.stdout.write(json.dumps(mode(Path(sys.argv[2]))))
