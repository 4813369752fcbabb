"""The words by which a shape is given on a command line and in pytest's ini file: one table for both.

An ini file has the name of `DockerCluster`'s argument behind ``slurm_``: ``slurm_nodes``. An option is given once for each of
many: ``--node c1 --node "big memory=256G"``, and ``--slurm-node`` for pytest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from slurm.testing.errors import ClusterError
from slurm.testing.shape import Shape
from slurm.testing.shape_text import settings_of, truth


class ShapeOption(NamedTuple):
    """A word of a shape: the argument of `DockerCluster`, the option behind its dashes, what it is for.

    It has `many` items or one, unless it is a `flag`: then the option stands for that value, and an ini file says yes or no.
    """

    argument: str
    option: str
    metavar: str
    help: str
    many: bool = True
    flag: bool | None = None

    @property
    def is_list(self) -> bool:
        """Whether an ini file has a line for each of its items."""
        return self.many and self.flag is None

    @property
    def of_argparse(self) -> dict[str, Any]:
        """How argparse is told of it, and pytest.

        >>> SHAPE_OPTIONS[0].of_argparse["action"], ShapeOption("rest", "rest", "", "", flag=True).of_argparse["action"]
        ('append', 'store_const')
        """
        if self.flag is not None:
            return {"action": "store_const", "const": self.flag, "help": self.help}
        action = "append" if self.many else "store"
        return {"action": action, "metavar": self.metavar, "help": self.help}


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
        "shared_size",
        "shared-size",
        "SIZE",
        "what the shared volume holds, as 64m: it is in memory then, and can be filled",
        many=False,
    ),
    ShapeOption(
        EDITABLE,
        "editable",
        "PATH",
        "the root of a Python project, mounted and importable on the nodes with what it depends on",
        many=False,
    ),
    ShapeOption(
        "containers",
        "containers",
        "",
        "let jobs run in containers: with Charliecloud, Podman and crun on the nodes",
        flag=True,
    ),
    ShapeOption(
        "mpi", "mpi", "", "let srun start programs of MPI: with Open MPI and mpi4py", flag=True
    ),
    ShapeOption(
        "second_factor",
        "second-factor",
        "",
        "let the login node ask for a password after the key",
        flag=True,
    ),
    ShapeOption(
        "bastion",
        "bastion",
        "",
        "put a jump host before the login node, which is reached through it alone",
        flag=True,
    ),
    ShapeOption(
        "talking_login",
        "talking-login",
        "",
        "let the login node print before and after the login, and whenever a shell starts",
        flag=True,
    ),
    ShapeOption("rest", "rest", "", "have slurmrestd answer on a port of 127.0.0.1", flag=True),
    ShapeOption(
        "accounting",
        "no-accounting",
        "",
        "keep no record of jobs: no database, no slurmdbd, and sacct says so",
        flag=False,
    ),
    ShapeOption(
        "emulated_nodes",
        "emulated-nodes",
        "NUMBER",
        "how many nodes there are besides, on one machine, in the partition 'emulated'",
        many=False,
    ),
)
FLAGS = tuple(one.argument for one in SHAPE_OPTIONS if one.flag is not None)


def shape_arguments(value_of: Callable[[ShapeOption], Any]) -> dict[str, Any]:
    """The arguments of `DockerCluster` that were given; `value_of` looks for one of them. Raises `ClusterError`.

    >>> shape_arguments(lambda one: ["SlurmdTimeout=10"] if one.argument == "settings" else None)
    {'settings': {'SlurmdTimeout': '10'}}
    """
    given = {one.argument: value_of(one) for one in SHAPE_OPTIONS}
    found = {name: value for name, value in given.items() if value not in (None, "", [])}
    if not found:
        return {}
    if "settings" in found:
        found["settings"] = settings_of(found["settings"])
    for name in FLAGS:
        if name in found:
            found[name] = truth(str(found[name]), name)
    if "emulated_nodes" in found:
        found["emulated_nodes"] = _number("emulated_nodes", found["emulated_nodes"])
    Shape.of(**found)  # what makes no sense is said now
    return found


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments that lie over others; of settings, each by itself.

    >>> merged({"settings": {"A": 1, "B": 1}, "users": ["ann"]}, {"settings": {"B": 2}})
    {'settings': {'A': 1, 'B': 2}, 'users': ['ann']}
    """
    settings = {**under.get("settings", {}), **over.get("settings", {})}
    return {**under, **over, **({"settings": settings} if settings else {})}


def _number(name: str, given: int | str) -> int:
    if not str(given).isdecimal():
        raise ClusterError(f"{name} is a whole number, not {given!r}")
    return int(given)
