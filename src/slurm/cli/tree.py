"""``slurm tree``: what a workflow did, as text, as Mermaid, or as a page."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import click

from slurm import Cluster
from slurm.agent.files import write_atomic
from slurm.cli.commands import PATH, Command, cluster_options
from slurm.cli.jobs.found import ID, found
from slurm.config.command_line import arguments_from
from slurm.config.slurmfile import find_slurmfile
from slurm.errors import ConfigError, RemoteFileError
from slurm.job_tree import JobTree

PAGE_MODE = 0o644
NO_CLUSTER: tuple[None, None, dict[str, Any]] = (None, None, {})
PLAIN = str.maketrans({"├": "|", "└": "`", "─": "-", "│": "|", "…": "~", "×": "x"})


@click.command(
    cls=Command,
    example="""
        slurm tree ~/slurm_jobs/count_words
        slurm tree 4711
        slurm tree --html sweep.html --backend ssh --hostname hpc ~/slurm_jobs/sweep
    """,
)
@click.argument("path", metavar="JOB|PATH", type=PATH)
@click.option("--html", metavar="FILE", type=PATH, help="write a page with a timeline")
@click.option("--mermaid", is_flag=True, help="print a Mermaid flowchart")
@click.option(
    "--all",
    "unfold",
    is_flag=True,
    help="print a line for every job, however many there are",
)
@cluster_options
def command(
    path: str, html: str | None, mermaid: bool, unfold: bool, cluster_args: argparse.Namespace
) -> None:
    """Show what a workflow and its jobs did.

    JOB is the id of a job, a workflow or an array. PATH is the directory of one, of all runs of a task, or of all jobs: on this
    machine, or on the cluster of the Slurmfile if there is no such directory here; with cluster options, on that cluster.
    """
    if _is_here(path, cluster_args):
        tree = _tree(path, None)
    else:
        cluster = Cluster.from_args(cluster_args)
        try:
            tree = _tree(_path_on(cluster, path), cluster)
        finally:
            cluster.close()
    if html:
        _write(html, tree.to_html())
    if mermaid:
        _print(tree.to_mermaid())
    elif not html:
        _print(tree.to_text(unfold=unfold))
    if not tree.complete:
        print(
            "slurm tree: there are more jobs there; name one of their directories", file=sys.stderr
        )


def _tree(path: str, cluster: Cluster | None) -> JobTree:
    try:
        return JobTree.from_dir(path, cluster)
    except RemoteFileError as error:
        raise ConfigError(str(error)) from error


def _is_here(path: str, cluster_args: argparse.Namespace) -> bool:
    """Whether the tree is on this machine: no cluster is named, and it is no id, nor a path that only a cluster may have."""
    if arguments_from(cluster_args) != NO_CLUSTER or ID.fullmatch(path):
        return False
    return os.path.exists(os.path.expanduser(path)) or find_slurmfile() is None


def _path_on(cluster: Cluster, path: str) -> str:
    if ID.fullmatch(path):
        return found(cluster, path).job_dir
    if not cluster.backend.shares_filesystem and not path.startswith(("/", "~/")):
        raise ConfigError(f"PATH {path!r} is a path on the cluster: start it with / or ~/")
    return path


def _write(path: str, page: str) -> None:
    path = os.path.realpath(os.path.expanduser(path))  # a link stays one
    try:
        # A device or a pipe is no file to take the place of.
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "wb") as file:
                file.write(page.encode())
        else:
            write_atomic(path, page.encode(), PAGE_MODE)
    except OSError as error:
        raise ConfigError(f"--html {path} cannot be written: {error.strerror}") from error
    print(f"wrote {path}", file=sys.stderr)  # stdout may be a drawing that goes into a file


def _print(drawing: str) -> None:
    encoding = sys.stdout.encoding or "ascii"
    try:
        drawing.encode(encoding)
    except UnicodeEncodeError:
        drawing = drawing.translate(PLAIN).encode(encoding, "replace").decode(encoding)
    print(drawing, end="")
