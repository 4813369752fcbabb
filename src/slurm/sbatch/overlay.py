"""sbatch options from several places: the SDK's defaults, the site's, the task's. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MEMORY = frozenset({"mem", "mem-per-cpu", "mem-per-gpu"})
REQUEUE = frozenset({"requeue", "no-requeue"})
# What a job gets where neither its task nor its site says so.
DEFAULT_OPTIONS: Mapping[str, Any] = {
    "nodes": 1,
    "ntasks": 1,
    "mem": "1G",
    "time": "00:10:00",
}


def overlay(*layers: Mapping[str, str]) -> dict[str, str]:
    """Options of several layers, a later one over an earlier one; what excludes each other included.

    An option that a later layer gives takes the place of those that sbatch would not have beside it.

    >>> overlay({"mem": "1G", "time": "10"}, {"mem-per-cpu": "2G"})
    {'time': '10', 'mem-per-cpu': '2G'}
    """
    result: dict[str, str] = {}
    for layer in layers:
        displaced = set(_displaced(layer, result))
        result = {name: value for name, value in result.items() if name not in displaced}
        result.update(layer)
    return result


def _displaced(layer: Mapping[str, str], below: Mapping[str, str]) -> Iterator[str]:
    """The options below a layer that cannot stand beside its own."""
    for alternatives in (MEMORY, REQUEUE):
        if alternatives & layer.keys():
            yield from alternatives
    # Beside --ntasks=1 sbatch ignores --ntasks-per-node, and makes --nodes=2 one node.
    several_nodes = layer.get("nodes", "1") != "1" and below.get("ntasks") == "1"
    if several_nodes or any(name.startswith("ntasks-per-") for name in layer):
        yield "ntasks"
