"""``slurm shell``: a shell where a job runs."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import sys
from typing import Any

import click

from slurm import ArrayJob, Cluster, Job
from slurm.api.local import LocalBackend
from slurm.api.ssh import SSHCommandBackend
from slurm.cli.commands import TEXT, Command, cluster_options
from slurm.cli.jobs.found import found
from slurm.errors import ConfigError, RemoteFileError, SchedulerUnreachable
from slurm.job_list.reasons import in_words
from slurm.node.node_list import expand_node_list
from slurm.states import JobState

ASK_TIMEOUT = 60.0
ID = re.compile(r"\d+(_\d+)?")
# What the login shell there is told. Before Slurm 20.11 srun has no --overlap, and steps share what they have by themselves.
SCRIPT = (
    "overlap=; if srun --help 2>/dev/null | grep -q -e --overlap; then overlap=--overlap; fi; "
    'exec srun --jobid={id} $overlap --nodes=1 --ntasks=1 --mem=0 {more} --pty "${{SHELL:-/bin/sh}}" -l'
)


@click.command(
    "shell",
    cls=Command,
    example="slurm shell 4711\nslurm shell 4712_3 --node c2",
)
@click.argument("job", metavar="JOB", type=TEXT)
@click.option("--node", type=TEXT, help="one of the job's nodes (default: its first)")
@cluster_options
def command(job: str, node: str | None, cluster_args: argparse.Namespace) -> None:
    """Open a shell on a node of a job that runs, in its directory and with what it was given.

    JOB is an id (12, 12_3), or a job's directory on the cluster. What runs in the shell shares the cpus, the memory and the
    time of the job, and ends with it.
    """
    if not has_terminal():
        raise ConfigError("a shell needs a terminal, and there is none")
    cluster = Cluster.from_args(cluster_args)
    with contextlib.closing(cluster):
        argv = _argv(cluster, job, node)
    os.execvp(argv[0], argv)


def has_terminal() -> bool:
    """Whether somebody can type here, and see what is printed."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _argv(cluster: Cluster, word: str, node: str | None) -> list[str]:
    """The command that takes the place of this one."""
    job = _place(cluster, word)
    job_id, directory = (word, "") if job is None else (job.id, job.job_dir)
    if isinstance(cluster.backend, LocalBackend):
        state = JobState.UNKNOWN if job is None else _state_of(job)
        if job is None or state is not JobState.RUNNING:
            raise _runs_not(job_id, str(state), "" if job is None else job.status.pending_reason)
        raise ConfigError(
            f"job {job_id} is a process of this machine, and this is a shell there: cd {shlex.quote(directory)}"
        )
    number, nodes = _running(cluster, job_id)
    if node is not None and node not in nodes:
        raise ConfigError(f"job {job_id} does not run on {node}: its nodes are {', '.join(nodes)}")
    words = [f"--nodelist={node or nodes[0]}"]
    if directory:
        words.append(f"--chdir={directory}")
    script = SCRIPT.format(id=number, more=shlex.join(words))
    if isinstance(cluster.backend, SSHCommandBackend):
        return cluster.backend.terminal_argv(f"exec sh -c {shlex.quote(script)}")
    return ["sh", "-c", script]


def _place(cluster: Cluster, word: str) -> Job[Any] | None:
    """A job; an id alone may be that of one which the SDK has not submitted, and is None."""
    try:
        job = found(cluster, word)
    except ConfigError:
        if not ID.fullmatch(word):
            raise
        return None
    if isinstance(job, ArrayJob):
        raise ConfigError(f"{word} is an array: name the element, as {job.ids[0]}_0")
    return job


def _state_of(job: Job[Any]) -> JobState:
    """A job's state; that of one whose result is there already is its end, whatever else is still to be noticed."""
    return job.status.state if job.done() else job.get_status()


def _running(cluster: Cluster, job_id: str) -> tuple[str, list[str]]:
    """The number that srun knows the job by, and its nodes. Raises `ConfigError` for one that does not run."""
    argv = ["squeue", "-h", "-j", job_id, "-t", "all", "-o", "%A|%T|%N|%r"]
    try:
        status, out = cluster.backend.run_program(argv, timeout=ASK_TIMEOUT)
    except RemoteFileError as error:
        raise SchedulerUnreachable(str(error)) from error
    said = out.decode("utf-8", "replace").strip()
    rows = [line.split("|", 3) for line in said.splitlines() if line.count("|") >= 3]
    if status != 0 or not rows:
        raise ConfigError(f"job {job_id} is not in the queue{f': {said}' if status else ''}")
    number, state, nodes, reason = rows[0]
    if state != "RUNNING":
        raise _runs_not(job_id, state, reason)
    return number, expand_node_list(nodes)


def _runs_not(job_id: str, state: str, reason: str) -> ConfigError:
    why = in_words(reason) if state == "PENDING" else ""
    return ConfigError(f"job {job_id} does not run: it is {state}" + (f", {why}" if why else ""))
