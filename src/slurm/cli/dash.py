"""``slurm dash``: a dashboard of a user's jobs."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import sys

import click

from slurm import Cluster
from slurm.cli.commands import Checked, Command, cluster_options
from slurm.config.ages import age
from slurm.config.command_line import CLUSTER_OPTIONS
from slurm.errors import ConfigError

SINCE = "1d"
NEEDED = ("textual", "textual_serve")
DRIVER = "TEXTUAL_DRIVER"  # set where the screen goes to a page of `slurm dash --web`, and there is no terminal


@click.command(cls=Command, example="slurm dash\nslurm dash --since 7d\nslurm dash --web")
@click.option(
    "--since",
    metavar="AGE",
    default=SINCE,
    help=f"for how long what has ended is shown: 12h, 7d (default {SINCE})",
)
@click.option(
    "--web", is_flag=True, help="show it in a browser of this machine; prints the address"
)
@click.option(
    "--web-port",
    type=click.IntRange(1, 65535),
    help="with --web: the port (default: a free one)",
)
@cluster_options
def command(since: str, web: bool, web_port: int | None, cluster_args: argparse.Namespace) -> None:
    """Show your jobs as they come and go, their logs as they are written, and their workflows; cancel and rerun them.

    The keys are at the bottom, and ? explains them. With --web the same is in a browser, at an address of this machine with a
    secret in it: whoever has that can do what you can do here.
    """
    seconds = Checked(age, "age").convert(since, None, None)
    if not all(map(importlib.util.find_spec, NEEDED)):
        raise ConfigError("slurm dash needs Textual: pip install 'slurm-tasks[dash]'")
    if web_port is not None and not web:
        raise ConfigError("--web-port is the port of --web: give both")
    cluster = Cluster.from_args(cluster_args)
    with contextlib.closing(cluster):
        if web:
            _serve(since, web_port, cluster_args)
        else:
            _show(cluster, seconds)


def _show(cluster: Cluster, since: float) -> None:
    if DRIVER not in os.environ and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError(
            "slurm dash needs a terminal: --web shows it in a browser, and slurm jobs list --json is for programs"
        )
    from slurm.dash.app import Dash
    from slurm.dash.cluster_source import ClusterSource

    Dash(ClusterSource(cluster, since)).run()


def _serve(since: str, port: int | None, cluster_args: argparse.Namespace) -> None:
    from slurm.dash.web import serve

    options = ["--since", since]
    for option in CLUSTER_OPTIONS:
        value = getattr(cluster_args, option.attribute)
        if value is not None:
            options += [option.name, str(value)]
    serve([sys.executable, "-m", "slurm.cli", "dash", *options], port, _tell)


def _tell(address: str) -> None:
    click.echo(f"{address}  (Ctrl-C ends it)")
