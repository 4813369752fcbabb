"""All settings of a cluster that hold, those that nobody has said included."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from slurm import Cluster
from slurm.config.command_line import Chosen, chosen_from
from slurm.config.origins import Setting, name_of, place, settings
from slurm.config.slurmfile import cluster_settings
from slurm.sbatch.overlay import DEFAULT_OPTIONS

TABLES = ("packaging", "submit")


def in_force(args: argparse.Namespace) -> list[Setting]:
    """Each setting of the cluster that is chosen, and where it is from. Raises `ConfigError` for what is wrong in it."""
    chosen = chosen_from(args)
    where = place(chosen)
    cluster = Cluster.from_args(args)
    try:
        return list(
            settings(dict(_named(_arguments(chosen))), dict(_usual(cluster)), chosen, where)
        )
    finally:
        cluster.close()


def _arguments(chosen: Chosen) -> dict[str, Any]:
    """What was said, by the names of `Cluster`'s arguments."""
    if chosen.without_file:
        return chosen.overrides
    found = cluster_settings(chosen.slurmfile, env=chosen.env, overrides=chosen.overrides)
    more: dict[str, Any] = {"callbacks": list(found.callbacks)} if found.callbacks else {}
    if found.track:
        more["track"] = found.track
    return {**found.arguments, **more}


def _named(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for argument, value in arguments.items():
        if argument in TABLES and isinstance(value, Mapping):
            yield from ((f"{argument}.{key}", one) for key, one in value.items())
        else:
            yield name_of(argument), value


def _usual(cluster: Cluster) -> Iterator[tuple[str, Any]]:
    """What holds where nobody says anything."""
    site = cluster.site
    yield from (("callbacks", []), ("track", False))
    yield "cluster.backend", site.name
    yield "cluster.job_base_dir", site.base
    yield "cluster.python", site.python
    yield from zip(("cluster.poll_interval_min", "cluster.poll_interval_max"), site.poll_intervals)
    yield "cluster.result_grace", site.result_grace
    yield "cluster.cancel_on_interrupt", cluster.cancel_on_interrupt
    for name, parameter in inspect.signature(type(site.backend)).parameters.items():
        if name != "python":
            given = site.options.get(name)
            usual = None if parameter.default is parameter.empty else parameter.default
            yield name_of(name), usual if given is None else given
    for name, value in DEFAULT_OPTIONS.items():
        yield f"submit.{name}", value
