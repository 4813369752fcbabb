"""What a person does with a dockerised cluster, one function for each command of `command_options`."""

from __future__ import annotations

import contextlib
import functools
import logging
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from slurm.testing import releases
from slurm.testing.command_options import port_of, release_of
from slurm.testing.compose import ComposeProject
from slurm.testing.docker_cluster import DockerCluster
from slurm.testing.errors import ClusterError
from slurm.testing.rest import said_of_rest
from slurm.testing.shape import Shape
from slurm.testing.shape_options import shape_arguments
from slurm.testing.starting import STARTED


def run(command: str, options: Mapping[str, Any]) -> int:
    """Run one command with its options by their arguments' names; its exit status. Raises `ClusterError`."""
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    logging.getLogger("testcontainers").setLevel(logging.CRITICAL)  # its errors arrive as ours
    cluster = _cluster(command, options)
    if command == "up":
        _up(cluster, verbose=options["verbose"])
    elif command == "down":
        cluster.down()
    elif command == "shell":
        return cluster.shell()
    elif command == "status":
        print(cluster.status())
    elif options["follow"]:
        return cluster.compose.pass_through("logs", "--follow")
    else:
        print(cluster.logs(), end="")
    return 0


def _cluster(command: str, options: Mapping[str, Any]) -> DockerCluster:
    """The cluster that is meant. What runs is shown and mended in the shape that it has, unless `up` is told of one."""
    arguments = shape_arguments(lambda one: options.get(one.argument))
    release = releases.DEFAULT
    if command == "up":
        release = release_of(options["release"]) or _running(options) or release
    make = functools.partial(
        DockerCluster,
        options["project"],
        ssh_port=port_of(options.get("port")),
        release=release,
        state_dir=options["state_dir"],
    )
    cluster = make(**arguments)
    before = cluster.access.shape_file
    if command != "down" and not arguments and before.is_file():
        return make(**Shape.from_json(before.read_text("utf-8")).arguments)
    return cluster


def _running(options: Mapping[str, Any]) -> str | None:
    """The release of the cluster that is meant, where it has containers, running or not."""
    with contextlib.suppress(ClusterError):  # where no engine answers, the command itself says so
        return ComposeProject(options["project"]).running_release()
    return None


def _up(cluster: DockerCluster, *, verbose: bool) -> None:
    if verbose:
        logging.getLogger("slurm.testing").setLevel(logging.INFO)
    started = time.monotonic()
    print(f"Starting the cluster {cluster.project}.", flush=True)
    done = cluster.up()
    if not done.endswith(f"{STARTED}."):
        print(done)
    version = cluster.exec("login", ["sinfo", "--version"]).stdout.strip()
    ssh = shlex.join(["ssh", "-F", str(cluster.ssh_config), cluster.project])
    print(
        f"{version} is up after {time.monotonic() - started:.1f} s, nodes {_in_a_row(cluster.nodes)}.\n"
    )
    print(f"  a shell on it           {ssh}")
    print(f"  for Cluster.from_env()  export SLURMFILE={shlex.quote(str(cluster.slurmfile))}")
    if cluster.shape.rest:
        print(f"  slurmrestd              {said_of_rest(cluster)}")


def _in_a_row(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
