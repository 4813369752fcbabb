"""sbatch options from several places: the SDK's defaults, the site's, the task's. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from slurm.sbatch.options import Options

MEMORY = frozenset({"mem", "mem-per-cpu", "mem-per-gpu"})
REQUEUE = frozenset({"requeue", "no-requeue"})
# What a job gets where neither its task nor its site says so.
DEFAULT_OPTIONS: Mapping[str, Any] = {
    "nodes": 1,
    "ntasks": 1,
    "mem": "1G",
    "time": "00:10:00",
}
# What a workflow gets where its decorator does not say so, also on a site that says something of its tasks.
WORKFLOW_OPTIONS: Mapping[str, str | None] = {"time": "01:00:00"}


def overlay(*layers: Mapping[str, str | None]) -> Options:
    """Options of several layers, a later one over an earlier one; what excludes each other included.

    An option that a later layer gives takes the place of those that sbatch would not have beside it. None
    takes the place of a value, and stays: the option is to be left out.

    >>> overlay({"mem": "1G", "time": "10"}, {"mem-per-cpu": "2G"}, {"time": None})
    {'time': None, 'mem-per-cpu': '2G'}
    """
    result: Options = {}
    for layer in layers:
        displaced = set(_displaced(given(layer), result))
        result = {name: value for name, value in result.items() if name not in displaced}
        result.update(layer)
    return result


def wanted_options(
    site: Mapping[str, str | None], own: Mapping[str, str | None], *, is_workflow: bool
) -> Options:
    """The options of all layers for a job of a `site` with options of its `own`: defaults first.

    >>> wanted_options({"time": None}, {"mem": "2G"}, is_workflow=True)
    {'nodes': '1', 'ntasks': '1', 'time': None, 'mem': '2G'}
    """
    defaults = {name: str(value) for name, value in DEFAULT_OPTIONS.items()}
    left_out = {name for name, value in site.items() if value is None}
    of_workflows = {
        name: value
        for name, value in WORKFLOW_OPTIONS.items()
        if is_workflow and name not in left_out
    }
    return overlay(defaults, site, of_workflows, own)


def given(options: Mapping[str, str | None]) -> dict[str, str]:
    """The `options` without those that are to be left out.

    >>> given({"mem": None, "time": "5"})
    {'time': '5'}
    """
    return {name: value for name, value in options.items() if value is not None}


def _displaced(layer: Mapping[str, str], below: Mapping[str, str | None]) -> Iterator[str]:
    """The options below a layer that cannot stand beside its own."""
    for alternatives in (MEMORY, REQUEUE):
        if alternatives & layer.keys():
            yield from alternatives
    # Beside --ntasks=1 sbatch ignores --ntasks-per-node, and makes --nodes=2 one node.
    several_nodes = layer.get("nodes", "1") != "1" and below.get("ntasks") == "1"
    if several_nodes or any(name.startswith("ntasks-per-") for name in layer):
        yield "ntasks"
