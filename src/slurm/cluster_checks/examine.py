"""Asks all that the checks want to know of a cluster, and has them look at it, also after one has failed."""

from __future__ import annotations

import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from slurm import Cluster, __version__
from slurm.api.local import LocalBackend
from slurm.api.ssh import SSHCommandBackend
from slurm.cluster_checks import directory, nodes, reaching, scheduler
from slurm.cluster_checks.asking import ask
from slurm.cluster_checks.directory import clock
from slurm.config.findings import Finding, Verdict, failed, printable
from slurm.errors import ConfigError, SlurmError
from slurm.usage import format_size

SLURM_PARTS = ("programs", "controller", "accounting", "partitions")
JOB_TIMEOUT = 120.0


def examine(
    make: Callable[[], Cluster], where: str, *, job: bool = False, timeout: float = JOB_TIMEOUT
) -> Iterator[Finding]:
    """One finding after the other, of the cluster that `make` makes of what `where` names.

    With `job` a job looks around on a node, for which it is waited `timeout` seconds.
    """
    yield sdk()
    try:
        cluster = make()
    except ConfigError as error:
        yield reaching.described(where, error)
        yield from reaching.skipped(["cluster"], "slurmfile failed")
        return
    yield reaching.described(where)
    try:
        yield from _of_cluster(cluster, job, timeout)
    finally:
        cluster.close()


def sdk() -> Finding:
    """What runs here."""
    text = f"slurm-tasks {__version__} on Python {platform.python_version()} at {sys.executable}"
    return Finding("sdk", Verdict.PASS, printable(text))


def _of_cluster(cluster: Cluster, job: bool, timeout: float) -> Iterator[Finding]:
    names = _names(cluster)
    if isinstance(cluster.backend, SSHCommandBackend):
        found = list(_connection(cluster.backend))
        yield from found
        if failed(found):
            yield from reaching.skipped(names, "there is no connection")
            return
    parts = () if isinstance(cluster.backend, LocalBackend) else SLURM_PARTS
    try:
        answers = ask(cluster, [*parts, "base"], base=cluster.site.base)
    except SlurmError as error:
        fix = "see that the Python there runs: --python, or python in [ENV.cluster]"
        yield Finding("probe", Verdict.FAIL, printable(str(error), 500), fix)
        yield from reaching.skipped(names, "nothing could be looked at")
        return
    if isinstance(cluster.backend, LocalBackend):
        found = [local_scheduler(cluster.backend)]
    else:
        found = list(scheduler.examine(answers.said, _submit(cluster)))
    found += directory.examine(answers.said["base"])
    if isinstance(cluster.backend, SSHCommandBackend):
        found.append(clock("clock", answers.clock_ahead, "the login node"))
    yield from found
    yield from _of_a_node(cluster, found, job, timeout)


def _names(cluster: Cluster) -> list[str]:
    """The checks that need an answer."""
    of_scheduler = ("scheduler",) if isinstance(cluster.backend, LocalBackend) else scheduler.NAMES
    clocks = ("clock",) if isinstance(cluster.backend, SSHCommandBackend) else ()
    return [*of_scheduler, *directory.NAMES, *clocks, *nodes.NAMES]


def _submit(cluster: Cluster) -> Mapping[str, Any]:
    return {name.replace("-", "_"): value for name, value in cluster.submit_defaults.items()}


def _connection(backend: SSHCommandBackend) -> Iterator[Finding]:
    ssh = backend.command
    began = time.monotonic()
    try:
        host = backend.host()
    except SlurmError as error:
        by_hand = shlex.join(["ssh", "-v", *ssh.options, ssh.hostname, "true"])
        yield from reaching.not_reached(error, ssh.login, by_hand)
    else:
        seconds = time.monotonic() - began
        yield from reaching.reached(ssh.hostname, seconds, host)


def _of_a_node(
    cluster: Cluster, found: list[Finding], job: bool, timeout: float
) -> Iterator[Finding]:
    broken = [one.name for one in found if one.verdict is Verdict.FAIL]
    if job and broken:
        yield from reaching.skipped(nodes.NAMES, f"{', '.join(broken)} failed")
    else:
        yield from nodes.examine(nodes.look(cluster, timeout) if job else None)


def local_scheduler(backend: LocalBackend) -> Finding:
    """Whether the scheduler of this machine answers, and what it has for jobs."""
    try:
        info = backend.info()
    except SlurmError as error:
        fix = "look at its log in the state_dir, which is .local in the job_base_dir"
        return Finding("scheduler", Verdict.FAIL, printable(str(error), 500), fix)
    memory = format_size(info["max_mem"] * 2**20)
    text = f"{info['max_cpus']} cpus and {memory} for jobs; {info['running']} run, {info['pending']} wait"
    return Finding("scheduler", Verdict.PASS, text)
