"""The parts that a dockerised cluster is described with: nodes, partitions, accounts and QOS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from slurm.testing import shape_checks as checks
from slurm.testing.errors import ClusterError
from slurm.testing.slurm_words import OF_ACCOUNTS, OF_NODES, OF_PARTITIONS, OF_QOS

Settings = Mapping[str, "str | int"]


@dataclass(frozen=True)
class Node:
    """Nodes that are alike, as far as Slurm is concerned: none need exist in the machine below.

    - `names`: as Slurm writes them, ``c[1-4]``.
    - `cpus`, and `memory` in megabytes, or as ``64G``.
    - `gpus`: how many, or of which type and how many: ``a100:4``. They are pretended.
    - `settings`: more of what ``slurm.conf`` says of nodes: ``{"Features": "ib"}``.

    >>> Node("c[1-2]", cpus=4, memory="2G").megabytes
    2048
    """

    names: str
    cpus: int = 8
    memory: int | str = 16000
    gpus: int | str = 2
    settings: Settings = field(default_factory=dict)

    @property
    def hosts(self) -> list[str]:
        """The name of each. Raises `ClusterError`."""
        return checks.hosts(self.names)

    @property
    def megabytes(self) -> int:
        """The memory of each. Raises `ClusterError`."""
        return checks.megabytes(self.memory, self.names)

    @property
    def gpu_type(self) -> str:
        """The type of its GPUs, or nothing."""
        return str(self.gpus).rpartition(":")[0]

    @property
    def gpu_count(self) -> int:
        """How many GPUs each has."""
        return int(str(self.gpus).rpartition(":")[2])

    def check(self) -> None:
        """Raises `ClusterError`."""
        checks.at_least(1, self.cpus, f"cpus of {self.names}")
        checks.gpus(self.gpus, self.names)
        checks.settings(self.settings, OF_NODES, f"node {self.names}")
        if not self.hosts or self.megabytes < 1:
            raise ClusterError(f"memory of {self.names} must be at least a megabyte")


@dataclass(frozen=True)
class Partition:
    """A partition: its `name`, its `nodes` (all of them unless named), whether it is the `default`.

    `settings` are more of what ``slurm.conf`` says of partitions: ``{"MaxTime": "10", "PriorityTier": 2}``.

    >>> Partition("short", nodes="c1", settings={"MaxTime": 10}).name
    'short'
    """

    name: str
    nodes: str = ""
    default: bool = False
    settings: Settings = field(default_factory=dict)

    def check(self, hosts: Sequence[str]) -> None:
        """Raises `ClusterError`, also for nodes that are not among `hosts`."""
        checks.name(self.name, "partition", checks.PARTITION)
        checks.settings(self.settings, OF_PARTITIONS, f"partition {self.name}")
        checks.known(self.hosts_of(hosts), hosts, f"partition {self.name}", "node")

    def hosts_of(self, hosts: Sequence[str]) -> Sequence[str]:
        """Which of `hosts` are in it."""
        return checks.hosts(self.nodes) if self.nodes else hosts


@dataclass(frozen=True)
class QOS:
    """A quality of service: its `name`, and those that its jobs preempt: such a job is requeued.

    `settings` are its limits and whatever else ``sacctmgr`` sets: ``{"Priority": 100, "MaxSubmitJobsPerUser": 4}``.

    >>> QOS("gold", preempts=["normal"], settings={"Priority": 100}).preempts
    ('normal',)
    """

    name: str
    preempts: Sequence[str] = ()
    settings: Settings = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "preempts", tuple(checks.listed(self.preempts, "preempts")))

    def check(self, names: Sequence[str]) -> None:
        """Raises `ClusterError`, also where it preempts one that is not among `names`."""
        checks.name(self.name, "QOS", checks.ACCOUNT)
        checks.settings(self.settings, OF_QOS, f"QOS {self.name}")
        checks.known(self.preempts, names, f"QOS {self.name}", "QOS")


@dataclass(frozen=True)
class Account:
    """An account that jobs are charged to: its `name`, and its `users`, all of them unless named.

    `settings` are its limits and whatever else ``sacctmgr`` sets: ``{"MaxSubmitJobs": 10, "GrpTRES": "cpu=8"}``.

    >>> Account("physics", users=["dev"], settings={"MaxSubmitJobs": 10}).name
    'physics'
    """

    name: str
    users: Sequence[str] = ()
    settings: Settings = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "users", tuple(checks.listed(self.users, "users of an account")))

    def check(self, users: Sequence[str]) -> None:
        """Raises `ClusterError`, also for one who is not among `users`."""
        checks.name(self.name, "account", checks.ACCOUNT)
        checks.settings(self.settings, OF_ACCOUNTS, f"account {self.name}")
        checks.known(self.users, users, f"account {self.name}", "user")
