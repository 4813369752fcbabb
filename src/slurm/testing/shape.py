"""What a dockerised cluster is to be like: a description, checked, and the same wherever it was given.

Its parts, `Node`, `Partition`, `Account` and `QOS` of `shape_parts`, are written as text as well, so that a command line, a pytest ini file and
a program say the same: ``c[1-4] cpus=16 Features=ib``, see `shape_text`. A word in small letters is explained here; one
that begins with a capital is Slurm's own, and is handed on to it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from slurm.testing import shape_checks as checks
from slurm.testing.emulated_nodes import EMULATED_PARTITION, EMULATOR, check_number, emulated_hosts
from slurm.testing.errors import ClusterError
from slurm.testing.shape_parts import QOS, Account, Node, Partition, Settings
from slurm.testing.shape_text import fields_of

USER = "dev"
LOGIN, BASTION = "login", "bastion"
ACCOUNTING_SERVICES = ("db", "slurmdbd")
REST_SERVICE = "slurmrestd"
FLAGS = ("containers", "mpi", "second_factor", "bastion", "talking_login", "rest", "accounting")
MOST_NODES = 64
MAIN_ACCOUNT = "main"
Part = TypeVar("Part", Node, Partition, QOS, Account)
NODES = (Node("c[1-2]"),)


@dataclass(frozen=True)
class Shape:
    """All that can be said of a dockerised cluster; without a word, it is the default one.

    - `nodes`, `partitions`, `accounts`, `qos`: as the classes of this module say. Where none are given, there are the partitions
      ``cpu`` with all nodes and ``gpu`` with those that have GPUs. Once there are accounts or QOS, Slurm **enforces** them.
    - `users`: names of users beside ``dev``.
    - `packages`: of Debian, on all machines of the cluster. `requirements`: of pip, in an environment on the shared volume.
    - `editable`: the root of a Python project, mounted and importable on all nodes, with what it depends on.
    - `settings`: lines of ``slurm.conf`` that are to be others.
    - `shared_size`: what the shared volume holds, as ``64m``: it is in memory then. `containers`: jobs can run in containers. `mpi`: they
      can be programs of MPI.
    - `second_factor`, `bastion`, `talking_login`: how the login node is entered, see `login`.
    - `rest`: slurmrestd answers. `accounting`: jobs go on record. `emulated_nodes`: how many more nodes there are, on one machine.

    Raises `ClusterError` with what makes no sense, and how it would.

    >>> Shape(nodes=(Node("c[1-3]", gpus=0),)).hosts
    ['c1', 'c2', 'c3']
    >>> Shape() == Shape(nodes=(Node("c[1-2]"),)), Shape().digest == Shape(users=("ann",)).digest
    (True, False)
    """

    nodes: tuple[Node, ...] = NODES
    partitions: tuple[Partition, ...] = ()
    users: tuple[str, ...] = ()
    accounts: tuple[Account, ...] = ()
    qos: tuple[QOS, ...] = ()
    packages: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    editable: str = ""
    settings: Settings = field(default_factory=dict)
    shared_size: str = ""
    containers: bool = False
    mpi: bool = False
    second_factor: bool = False
    bastion: bool = False
    talking_login: bool = False
    rest: bool = False
    accounting: bool = True
    emulated_nodes: int = 0

    def __post_init__(self) -> None:
        check_number(self.emulated_nodes)
        for node in self.nodes:
            node.check()
        others = (*ACCOUNTING_SERVICES, "slurmctld", REST_SERVICE, LOGIN, BASTION, EMULATOR)
        checks.once([*others, *self.hosts, *self.emulated_hosts], "machine")
        if not 1 <= len(self.hosts) <= MOST_NODES:
            raise ClusterError(f"a cluster has 1 to {MOST_NODES} nodes, not {len(self.hosts)}")
        self._check_partitions()
        self._check_people()
        if not self.accounting:
            checks.without_accounting({"accounts": self.accounts, "qos": self.qos})
        checks.settings(self.settings, (), "slurm.conf")
        checks.size(self.shared_size)
        checks.packages(self.packages)
        for name in FLAGS:
            checks.yes_or_no(getattr(self, name), name)
        checks.requirements(self.requirements)
        if self.editable and not os.path.isdir(self.editable):
            raise ClusterError(f"editable: there is no directory {self.editable}")

    @classmethod
    def of(
        cls,
        *,
        nodes: Sequence[Node | str] = (),
        partitions: Sequence[Partition | str] = (),
        users: Sequence[str] = (),
        accounts: Sequence[Account | str] = (),
        qos: Sequence[QOS | str] = (),
        editable: str | os.PathLike[str] | None = None,
        **more: Any,
    ) -> Shape:
        """The shape that these parts make, each of its class or a text. Raises `ClusterError`.

        >>> Shape.of(nodes=["c[1-2] cpus=4 gpus=0", "big memory=256G"]).hosts
        ['c1', 'c2', 'big']
        """
        for name in ("packages", "requirements"):
            more[name] = tuple(checks.listed(more.get(name, ()), name))
        root = str(Path(editable).expanduser().resolve()) if editable else ""
        return cls(
            nodes=_parts(Node, nodes, "nodes") or NODES,
            partitions=_parts(Partition, partitions, "partitions"),
            users=tuple(checks.listed(users, "users")),
            accounts=_parts(Account, accounts, "accounts"),
            qos=_parts(QOS, qos, "qos"),
            editable=root,
            **more,
        )

    @property
    def hosts(self) -> list[str]:
        """The names of all nodes."""
        return [host for node in self.nodes for host in node.hosts]

    @property
    def services(self) -> tuple[str, ...]:
        """The machines of the cluster, in the order in which they need each other."""
        accounting = ACCOUNTING_SERVICES if self.accounting else ()
        rest = (REST_SERVICE,) if self.rest else ()
        emulator = (EMULATOR,) if self.emulated_nodes else ()
        bastion = (BASTION,) if self.bastion else ()
        return (*accounting, "slurmctld", *rest, LOGIN, *bastion, *self.hosts, *emulator)

    @property
    def entrance(self) -> str:
        """The machine that is reached from outside."""
        return BASTION if self.bastion else LOGIN

    @property
    def emulated_hosts(self) -> list[str]:
        """The names of the emulated nodes."""
        return emulated_hosts(self.emulated_nodes)

    @property
    def profiles(self) -> tuple[str, ...]:
        """Which services of ``docker-compose.yml`` there are that the default cluster has not."""
        wanted = {"rest": self.rest, "emulated-nodes": bool(self.emulated_nodes)}
        return tuple(name for name, is_wanted in wanted.items() if is_wanted)

    @property
    def people(self) -> tuple[str, ...]:
        """All users, ``dev`` first."""
        return (USER, *(user for user in self.users if user != USER))

    @property
    def all_partitions(self) -> tuple[Partition, ...]:
        """Those that were given, or those of the default cluster; one of them is the default."""
        if not self.partitions:
            gpus = ",".join(node.names for node in self.nodes if node.gpu_count)
            more = [Partition("gpu", nodes=gpus)] if gpus else []
            return (Partition("cpu", default=True), *more)
        if any(one.default for one in self.partitions):
            return self.partitions
        first, *rest = self.partitions
        return (Partition(first.name, first.nodes, True, first.settings), *rest)

    @property
    def all_accounts(self) -> tuple[Account, ...]:
        """Those that were given; with QOS alone, one for everybody."""
        return self.accounts or ((Account(MAIN_ACCOUNT),) if self.qos else ())

    @property
    def has_environment(self) -> bool:
        """Whether there is an environment of Python's on the shared volume."""
        return bool(self.requirements or self.editable)

    @property
    def digest(self) -> str:
        """Another text for another shape."""
        said = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of `DockerCluster` that make it."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def differences(self, other: Shape) -> list[str]:
        """What the two have otherwise, by name."""
        mine, others = asdict(self), asdict(other)
        return [name for name in mine if mine[name] != others[name]]

    def to_json(self) -> str:
        """A text that `from_json` reads."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Shape:
        """The shape that was written down. Raises `ClusterError` for one of another version, too.

        >>> Shape.from_json(Shape(users=("ann",)).to_json()).users
        ('ann',)
        """
        try:
            told: dict[str, Any] = json.loads(text)
            for name, kind in (
                ("nodes", Node),
                ("partitions", Partition),
                ("accounts", Account),
                ("qos", QOS),
            ):
                told[name] = [kind(**one) for one in told[name]]
            return cls.of(**told)
        except (ValueError, TypeError, KeyError) as error:
            raise ClusterError(
                f"what was written down of the cluster is unreadable: {error}"
            ) from None

    def _check_partitions(self) -> None:
        reserved = [EMULATED_PARTITION] if self.emulated_nodes else []
        checks.once([*(one.name for one in self.partitions), *reserved], "partition")
        for one in self.partitions:
            one.check(self.hosts)
        if sum(one.default for one in self.partitions) > 1:
            raise ClusterError("more than one partition is the default: leave one")
        served = {host for one in self.all_partitions for host in one.hosts_of(self.hosts)}
        for host in self.hosts:
            if host not in served:
                raise ClusterError(f"node {host} is in no partition, so no job could run there")

    def _check_people(self) -> None:
        for user in self.users:
            checks.user(user)
        checks.once(self.users, "user")
        checks.once([one.name for one in self.accounts], "account")
        checks.once([one.name for one in self.qos], "QOS")
        names = ["normal", *(one.name for one in self.qos)]
        for account in self.accounts:
            account.check(self.people)
        for one in self.qos:
            one.check(names)


def _parts(kind: type[Part], given: Sequence[Part | str], what: str) -> tuple[Part, ...]:
    return tuple(_part(kind, one, what) for one in checks.listed(given, what))


def _part(kind: type[Part], given: Part | str, what: str) -> Part:
    if isinstance(given, kind):
        return given
    if not isinstance(given, str):
        raise ClusterError(f"{given!r} among {what} is neither a {kind.__name__} nor a text")
    return kind(**fields_of(kind, given))
