"""``slurm cluster info``: the partitions, and what is free in them."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from slurm import Cluster
from slurm.cli.commands import Command, cluster_options
from slurm.cli.output import in_columns, printed
from slurm.cluster_checks.offers import offered
from slurm.usage import format_size

HEADERS = ("PARTITION", "NODES", "CPUS FREE", "OF", "MEM FREE", "OF", "GPUS FREE", "OF", "MAXTIME")


@click.command("info", cls=Command, example="slurm cluster info\nslurm cluster info --env gpu")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@cluster_options
def command(as_json: bool, cluster_args: argparse.Namespace) -> None:
    """Show the partitions: states of their nodes, cpus, memory and gpus, free and all, and the limits.

    A star marks the default partition. What is free is what jobs have not taken on nodes that take jobs.
    """
    with contextlib.closing(Cluster.from_args(cluster_args)) as cluster:
        said = offered(cluster)
    if as_json:
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
        return
    click.echo(in_columns([HEADERS, *map(row, said["partitions"])], range(2, 8)))
    click.echo(printed(in_words(said)))


def row(one: Mapping[str, Any]) -> Sequence[str]:
    """A partition's row.

    >>> room = {"total": 16, "used": 4, "free": 12}
    >>> gpus = {"total": 0, "used": 0, "free": 0}
    >>> one = {"partition": "cpu", "default": True, "state": "UP", "nodes": {"idle": 1, "mixed": 1}, "max_time": "1:00"}
    >>> row({**one, "cpus": room, "memory": room, "gpus": gpus})
    ('cpu*', '1 idle, 1 mixed', '12', '16', '12M', '16M', '', '', '1:00')
    """
    name = one["partition"] + ("*" if one["default"] else "")
    states = ", ".join(f"{count} {state}" for state, count in one["nodes"].items())
    if one["state"] not in ("UP", ""):
        states = f"{one['state'].lower()}: {states}"
    cpus, memory, gpus = one["cpus"], one["memory"], one["gpus"]
    return (
        name,
        states,
        str(cpus["free"]),
        str(cpus["total"]),
        format_size(memory["free"] * 2**20),
        format_size(memory["total"] * 2**20),
        *((str(gpus["free"]), str(gpus["total"])) if gpus["total"] else ("", "")),
        one["max_time"],
    )


def in_words(said: Mapping[str, Any]) -> str:
    """What holds for all partitions, in a line.

    >>> in_words({"name": "hpc", "slurm": "24.11.5", "limits": {"MaxArraySize": 1001}, "accounts": ["physics"]})
    'hpc, Slurm 24.11.5, MaxArraySize 1001, accounts physics'
    """
    words = [said["name"] or "this machine", f"Slurm {said['slurm']}" if said["slurm"] else ""]
    words += [f"{name} {value}" for name, value in said["limits"].items()]
    words += [f"accounts {', '.join(said['accounts'])}"] if said["accounts"] else []
    return ", ".join(filter(None, words))
