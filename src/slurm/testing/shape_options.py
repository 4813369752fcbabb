"""The words by which a shape is given on a command line and in pytest's ini file: one table for both.

An ini file has the name of `DockerCluster`'s argument behind ``slurm_``: ``slurm_nodes``. An option is given once for each of
many: ``--node c1 --node "big memory=256G"``, and ``--slurm-node`` for pytest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from slurm.testing.shape import Shape
from slurm.testing.shape_text import settings_of, truth


class ShapeOption(NamedTuple):
    """A word of a shape: the argument of `DockerCluster`, the option behind its dashes, what it is for."""

    argument: str
    option: str
    metavar: str
    help: str
    many: bool = True
    flag: bool = False

    @property
    def action(self) -> str:
        """What argparse is to do with it."""
        return "store_true" if self.flag else "append" if self.many else "store"

    @property
    def kind_in_ini(self) -> Literal["linelist", "string"]:
        """What pytest is to take it for in an ini file."""
        return "linelist" if self.many else "string"

    def for_parser(self) -> dict[str, Any]:
        """The words for argparse's and pytest's parsers, but for its name."""
        words = {"action": self.action, "default": None, "help": self.help}
        return words if self.flag else {**words, "metavar": self.metavar}


EDITABLE = "editable"
SHAPE_OPTIONS = (
    ShapeOption(
        "nodes", "node", "NODE", "nodes that are alike, as 'c[1-4] cpus=16 memory=64G gpus=0'"
    ),
    ShapeOption(
        "partitions", "partition", "PARTITION", "a partition, as 'short nodes=c1 MaxTime=10'"
    ),
    ShapeOption("users", "user", "NAME", "a user beside dev"),
    ShapeOption(
        "accounts",
        "account",
        "ACCOUNT",
        "an account, enforced, as 'physics users=dev MaxSubmitJobs=3'",
    ),
    ShapeOption("qos", "qos", "QOS", "a QOS, enforced, as 'gold preempts=normal Priority=100'"),
    ShapeOption("packages", "package", "NAME", "a Debian package that all nodes are to have"),
    ShapeOption(
        "requirements", "requirement", "REQUIREMENT", "what pip is to install, as 'numpy>=2'"
    ),
    ShapeOption("settings", "setting", "NAME=VALUE", "a line of slurm.conf that is to be another"),
    ShapeOption(
        EDITABLE,
        "editable",
        "PATH",
        "the root of a Python project, mounted and importable on the nodes with what it depends on",
        many=False,
    ),
    ShapeOption(
        "mpi", "mpi", "", "let srun start programs of MPI: with Open MPI and mpi4py", False, True
    ),
)


def shape_arguments(value_of: Callable[[ShapeOption], Any]) -> dict[str, Any]:
    """The arguments of `DockerCluster` that were given; `value_of` looks for one of them. Raises `ClusterError`.

    >>> shape_arguments(lambda one: ["SlurmdTimeout=10"] if one.argument == "settings" else None)
    {'settings': {'SlurmdTimeout': '10'}}
    """
    given = {one.argument: _value(one, value_of(one)) for one in SHAPE_OPTIONS}
    found = {name: value for name, value in given.items() if value}
    if not found:
        return {}
    if "settings" in found:
        found["settings"] = settings_of(found["settings"])
    Shape.of(**found)  # what makes no sense is said now
    return found


def _value(option: ShapeOption, given: Any) -> Any:
    """What was given, of a flag whether it is set: an ini file has a text."""
    is_text = option.flag and isinstance(given, str) and given
    return truth(given, option.argument) if is_text else given


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments that lie over others; of settings, each by itself.

    >>> merged({"settings": {"A": 1, "B": 1}, "users": ["ann"]}, {"settings": {"B": 2}})
    {'settings': {'A': 1, 'B': 2}, 'users': ['ann']}
    """
    settings = {**under.get("settings", {}), **over.get("settings", {})}
    return {**under, **over, **({"settings": settings} if settings else {})}
