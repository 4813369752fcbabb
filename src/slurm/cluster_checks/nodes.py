"""Whether a node runs jobs and sees the directory for jobs: checks of what a job has found there. Pure, but for `look`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from slurm import Cluster, task
from slurm.cluster_checks.directory import clock
from slurm.cluster_checks.node_task import slurm_doctor
from slurm.config.findings import Finding, Verdict, printable
from slurm.errors import RemoteFileMissing, SlurmError

NAMES = ("job", "node-python", "node-files", "node-clock")
OLDEST = (3, 9)
ASKED_FOR = "a node is looked at by a job, and nobody asked for one: add --job"


class Looked(NamedTuple):
    """What became of a job that looked around on a node: what it `said`, or its `problem`.

    `seconds` passed until it had; `back` is what the login node sees of the file that the node has written, `sent` what
    was in the file for the node; `ahead` is the node's clock against the one here.
    """

    said: Mapping[str, Any] | None = None
    problem: str = ""
    seconds: float = 0.0
    sent: str = ""
    back: str | None = None
    ahead: float = 0.0


def look(cluster: Cluster, timeout: float) -> Looked:
    """Run a tiny job, which is cancelled where it has not ended after `timeout` seconds."""
    name = secrets.token_hex(8)
    began, submitted = time.monotonic(), time.time()
    try:
        folder = f"{cluster.job_base_dir}/.doctor-{name}"
        cluster.backend.write_file(path := f"{folder}/{name}", name.encode())
        job = cluster.submit(task(packaging="none")(slurm_doctor), time="5")(path)
        try:
            said = job.get_result(timeout)
        except TimeoutError:
            state = f"{job.status.state} ({job.status.pending_reason})".replace(" ()", "")
            job.cancel()
            return Looked(problem=f"it is {state} after {timeout:.0f} s, and was cancelled")
        ahead = outside(said["time"], submitted, time.time())
        back = _back(cluster, path)
        cluster.backend.discard(folder)
        return Looked(said, "", time.monotonic() - began, name, back, ahead)
    except SlurmError as error:
        return Looked(problem=str(error))


def outside(moment: float, start: float, end: float) -> float:
    """By how much a moment lies before `start`, negative, or after `end`; 0 between them.

    >>> outside(5, 10, 20), outside(15, 10, 20), outside(22, 10, 20)
    (-5, 0, 2)
    """
    return moment - start if moment < start else max(0, moment - end)


def _back(cluster: Cluster, path: str) -> str | None:
    try:
        return cluster.backend.read_file(f"{path}.node").decode("utf-8", "replace")
    except RemoteFileMissing:
        return None


def examine(looked: Looked | None) -> Iterator[Finding]:
    """All checks of a node; None where nobody asked for a job.

    >>> print(*examine(None), sep="\\n")
    SKIP job: a node is looked at by a job, and nobody asked for one: add --job
    SKIP node-python: job was skipped
    SKIP node-files: job was skipped
    SKIP node-clock: job was skipped
    """
    if looked is None or looked.said is None:
        why = "skipped" if looked is None else "failed"
        yield _no_job(looked)
        yield from (Finding(name, Verdict.SKIP, f"job was {why}") for name in NAMES[1:])
        return
    said = looked.said
    text = (
        f"it ran on {printable(said['host'])}, and its result was here after {looked.seconds:.1f} s"
    )
    yield Finding("job", Verdict.PASS, text)
    yield python(said)
    yield files(looked)
    yield clock("node-clock", looked.ahead, printable(said["host"]))


def _no_job(looked: Looked | None) -> Finding:
    if looked is None:
        return Finding("job", Verdict.SKIP, ASKED_FOR)
    fix = "look at its reason, and at the partition and the limits above"
    return Finding("job", Verdict.FAIL, printable(looked.problem, 500), fix)


def python(said: Mapping[str, Any]) -> Finding:
    """Whether the Python of jobs is new enough."""
    version = ".".join(map(str, said["python"]))
    text = f"Python {version} at {printable(said['executable'])}"
    if tuple(said["python"][:2]) < OLDEST:
        fix = "name a Python 3.9 or newer that the nodes have: --python, or python in [ENV.cluster]"
        return Finding("node-python", Verdict.FAIL, text, fix)
    return Finding("node-python", Verdict.PASS, text)


def files(looked: Looked) -> Finding:
    """Whether node and login node see each other's files in the directory for jobs."""
    seen = (looked.said or {})["seen"]["content"]
    if seen == looked.sent and looked.back == looked.sent:
        text = "the node sees what is written to job_base_dir, and what it writes is seen"
        return Finding("node-files", Verdict.PASS, text)
    text = "the node does not see what is written to job_base_dir"
    if seen == looked.sent:
        text = "what the node writes to job_base_dir is not seen"
    fix = "choose a job_base_dir on a file system that login node and nodes share"
    return Finding("node-files", Verdict.FAIL, text, fix)
