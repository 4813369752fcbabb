"""``slurm cluster ping``: how long a cluster takes to answer."""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import time
from collections.abc import Sequence
from typing import Any

import click

from slurm import Cluster
from slurm.cli.commands import COUNT, Command, cluster_options

TIMES = 10


@click.command("ping", cls=Command, example="slurm cluster ping\nslurm cluster ping --count 100")
@click.option("--count", type=COUNT, default=TIMES, help=f"questions to ask (default {TIMES})")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@cluster_options
def command(count: int, as_json: bool, cluster_args: argparse.Namespace) -> None:
    """Measure the round trip over the connection that jobs are submitted on, in milliseconds. Slurm itself is not asked."""
    with contextlib.closing(Cluster.from_args(cluster_args)) as cluster:
        connected = _milliseconds(cluster.backend.host)
        times = [_milliseconds(lambda: cluster.backend.file_exists("/")) for _ in range(count)]
        target = getattr(
            getattr(cluster.backend, "command", None), "hostname", cluster.backend_type
        )
    said = summary(connected, times)
    if as_json:
        click.echo(json.dumps({"target": target, **said}, indent=2))
    else:
        click.echo(
            f"{target}: connected in {said['connected']:.1f} ms; {count} round trips: "
            f"min {said['min']:.2f}, median {said['median']:.2f}, max {said['max']:.2f} ms"
        )


def summary(connected: float, times: Sequence[float]) -> dict[str, Any]:
    """The figures.

    >>> summary(300, [2, 1, 6])
    {'connected': 300, 'count': 3, 'min': 1, 'median': 2, 'max': 6}
    """
    return {
        "connected": connected,
        "count": len(times),
        "min": min(times),
        "median": statistics.median(times),
        "max": max(times),
    }


def _milliseconds(ask: Any) -> float:
    began = time.perf_counter()
    ask()
    return 1000 * (time.perf_counter() - began)
