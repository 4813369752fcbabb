"""``python -m slurm.testing``: start, use and remove a dockerised Slurm cluster."""

from __future__ import annotations

import argparse
import functools
import logging
import os
import shlex
import sys
import time
from collections.abc import Sequence

from slurm.testing import releases
from slurm.testing.docker_cluster import DockerCluster
from slurm.testing.errors import ClusterError
from slurm.testing.shape import Shape
from slurm.testing.shape_options import SHAPE_OPTIONS, shape_arguments
from slurm.testing.starting import STARTED

COMMANDS = {
    "up": "start the cluster and say how to reach it",
    "down": "remove the cluster and everything in it",
    "shell": "open a shell on the login node",
    "status": "show services and nodes",
    "logs": "show what the daemons wrote",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    logging.getLogger("testcontainers").setLevel(logging.CRITICAL)  # its errors arrive as ours
    try:
        return _run(options, _cluster(options))
    except ClusterError as error:
        print(f"slurm.testing: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("slurm.testing: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m slurm.testing", description="A real Slurm in Docker."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        command.add_argument(
            "--project", default="slurm-tasks", help="the compose project's name (%(default)s)"
        )
        command.add_argument(
            "--state-dir", help="folder of the keys and settings (.slurm-cluster/PROJECT)"
        )
        command.set_defaults(port=None, release=releases.DEFAULT)
        if name == "up":
            _add_up_options(command)
        if name == "logs":
            command.add_argument("--follow", action="store_true", help="go on as they write")
    return parser


def _add_up_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--port", type=int, help="port on 127.0.0.1 for ssh (SLURM_SSH_PORT, or a free one)"
    )
    command.add_argument(
        "--release",
        metavar="NAME",
        default=os.environ.get("DEBIAN_RELEASE") or releases.DEFAULT,
        help=f"the Debian release that picks Slurm's version: {releases.listed()} (DEBIAN_RELEASE, or %(default)s)",
    )
    command.add_argument(
        "--with-containers",
        action="store_true",
        help="let jobs run in containers: with Charliecloud, Podman and crun on the nodes",
    )
    command.add_argument(
        "--with-packages",
        dest="packages",
        action="extend",
        nargs="+",
        metavar="NAME",
        help="have these Debian packages on all nodes as well, as python3-pip python3-venv",
    )
    for one in SHAPE_OPTIONS:
        if one.argument != "packages":
            command.add_argument(f"--{one.option}", dest=one.argument, **one.of_argparse)
    command.add_argument("--verbose", action="store_true", help="show what Docker does")


def _cluster(options: argparse.Namespace) -> DockerCluster:
    """The cluster that is meant. What runs is mended in the shape that it has, unless `up` is told of one."""
    arguments = shape_arguments(lambda one: getattr(options, one.argument, None))
    if getattr(options, "with_containers", False):
        arguments["containers"] = True
    make = functools.partial(
        DockerCluster,
        options.project,
        ssh_port=_port(options),
        release=options.release,
        state_dir=options.state_dir,
    )
    cluster = make(**arguments)
    before = cluster.access.shape_file
    if options.command == "up" and not arguments and before.is_file():
        return make(**Shape.from_json(before.read_text("utf-8")).arguments)
    return cluster


def _port(options: argparse.Namespace) -> int:
    named = os.environ.get("SLURM_SSH_PORT") or "0"
    if options.port is not None:
        return int(options.port)
    if not named.isdecimal():
        raise ClusterError(f"SLURM_SSH_PORT must be a port's number, not {named!r}")
    return int(named)


def _run(options: argparse.Namespace, cluster: DockerCluster) -> int:
    if options.command == "up":
        _up(cluster, verbose=options.verbose)
    elif options.command == "down":
        cluster.down()
    elif options.command == "shell":
        return cluster.shell()
    elif options.command == "status":
        print(cluster.status())
    elif options.command == "logs":
        if options.follow:
            return cluster.compose.pass_through("logs", "--follow")
        print(cluster.logs(), end="")
    return 0


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
        rest = cluster.rest
        print(f"  slurmrestd              {rest.url}/slurm/{rest.data_parsers[-1]}/")


def _in_a_row(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


if __name__ == "__main__":
    sys.exit(main())
