"""What Slurm and Compose are told of a shape: lines of their configuration. Pure: nothing is written, nobody is asked.

Of the default shape they are told nothing: ``docker/etc/slurm.conf`` and ``docker-compose.yml`` are that cluster.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from slurm.testing.emulated_nodes import SETTINGS as EMULATED_SETTINGS
from slurm.testing.emulated_nodes import emulated_conf, emulated_names
from slurm.testing.login import login_words
from slurm.testing.shape import ACCOUNTING_SERVICES, BASTION, LOGIN, NODES, REST_SERVICE, Shape
from slurm.testing.shape_parts import Node

SHAPE_FILE = "compose.json"
PROJECT_MOUNT = "/project"
ENVIRONMENT = "/shared/venv"
ENFORCED = {"AccountingStorageEnforce": "associations,limits,qos"}
# A controller without slurmdbd ends where more than Slurm's own kinds of resources are to be counted, as GPUs.
WITHOUT_ACCOUNTING = {
    "AccountingStorageType": "accounting_storage/none",
    "AccountingStorageTRES": "cpu",
}
TOKENS = {"AuthAltTypes": "auth/jwt", "AuthAltParameters": "jwt_key=/etc/slurm-jwt/key"}
JWT_KEY = "jwt-key:/etc/slurm-jwt"
PREEMPTION = {"PreemptType": "preempt/qos", "PreemptMode": "REQUEUE"}
NO_JOBS = (*ACCOUNTING_SERVICES, "slurmctld", REST_SERVICE, BASTION)
KNOW_TOKENS = ("slurmdbd", "slurmctld")
IN_COMPOSE = ("c1", "c2")
# Of docker/containers.yml, for nodes that docker-compose.yml does not have.
FOR_CONTAINERS = ("seccomp=unconfined", "systempaths=unconfined")


def slurm_settings(shape: Shape) -> dict[str, str]:
    """Settings that are to be others than in ``docker/etc/slurm.conf``; those that were given before those that follow.

    >>> from slurm.testing.shape_parts import Account
    >>> slurm_settings(Shape(accounts=(Account("physics"),)))
    {'AccountingStorageEnforce': 'associations,limits,qos'}
    """
    implied = dict(ENFORCED) if shape.all_accounts else {}
    if not shape.accounting:
        implied.update(WITHOUT_ACCOUNTING)
    if shape.rest:
        implied.update(TOKENS)
    if shape.emulated_nodes:
        implied.update(EMULATED_SETTINGS)
    if any(one.preempts for one in shape.qos):
        implied.update(PREEMPTION)
    return {**implied, **{name: str(value) for name, value in shape.settings.items()}}


def slurm_conf(shape: Shape) -> list[str]:
    """The lines of ``slurm.conf`` for nodes and partitions.

    >>> print(*slurm_conf(Shape()), sep="\\n")
    NodeName=c[1-2] CPUs=8 RealMemory=16000 Gres=gpu:2 State=UNKNOWN
    PartitionName=cpu Nodes=c[1-2] Default=YES DefaultTime=01:00:00 MaxTime=UNLIMITED State=UP
    PartitionName=gpu Nodes=c[1-2] DefaultTime=01:00:00 MaxTime=UNLIMITED State=UP
    """
    every = ",".join(node.names for node in shape.nodes)
    lines = [
        _line({"NodeName": node.names, **_of_node(node), **node.settings}) for node in shape.nodes
    ]
    for one in shape.all_partitions:
        place = {"PartitionName": one.name, "Nodes": one.nodes or every}
        default = {"Default": "YES"} if one.default else {}
        limits = {"DefaultTime": "01:00:00", "MaxTime": "UNLIMITED", "State": "UP"}
        if "MaxTime" in one.settings:  # the default may not be above it
            del limits["DefaultTime"]
        lines.append(_line({**place, **default, **limits, **one.settings}))
    return lines


def gres_conf(shape: Shape) -> list[str]:
    """The lines of ``gres.conf``.

    >>> gres_conf(Shape(nodes=(Node("c[1-2]", gpus="a100:4"), Node("c3", gpus=0))))
    ['AutoDetect=off', 'NodeName=c[1-2] Name=gpu Type=a100 File=/dev/fakegpu[0-3]']
    """
    lines = ["AutoDetect=off"]
    for node in shape.nodes:
        if node.gpu_count:
            kind = {"Type": node.gpu_type} if node.gpu_type else {}
            last = node.gpu_count - 1
            files = f"/dev/fakegpu[0-{last}]" if last else "/dev/fakegpu0"
            lines.append(_line({"NodeName": node.names, "Name": "gpu", **kind, "File": files}))
    return lines


def accounting(shape: Shape) -> list[str]:
    """What ``sacctmgr`` is told before the controller starts, a line each time.

    >>> from slurm.testing.shape_parts import QOS
    >>> print(*accounting(Shape(qos=(QOS("low"), QOS("gold", preempts=["low"])))), sep="\\n")
    add qos low
    add qos gold
    modify qos gold set Preempt=low
    add account main Description=main Organization=main QOS=normal,low,gold
    add user dev account=main
    """
    names = ",".join(["normal", *(one.name for one in shape.qos)])
    lines = [_words("add qos", one.name, one.settings) for one in shape.qos]
    for one in shape.qos:
        if one.preempts:
            lines.append(f"modify qos {one.name} set Preempt={','.join(one.preempts)}")
    for account in shape.all_accounts:
        about = {"Description": account.name, "Organization": account.name, "QOS": names}
        lines.append(_words("add account", account.name, {**about, **account.settings}))
        lines += [f"add user {one} account={account.name}" for one in account.users or shape.people]
    return lines


def compose_file(shape: Shape, base: Path) -> str:
    """The Compose file that lies over ``docker-compose.yml``, which is `base`; empty where nothing is to be changed."""
    if not _services(shape, base):
        return ""
    # Compose takes a $ in any value for the name of a variable. What is JSON is YAML.
    text = json.dumps({"services": _services(shape, base)}, indent=2).replace("$", "$$")
    return f"{text}\n"


def _services(shape: Shape, base: Path) -> dict[str, dict[str, Any]]:
    everywhere = _environment(shape)
    services: dict[str, dict[str, Any]] = {}
    for name in shape.services:
        if name == BASTION:  # of a file of its own, without which there may be no word of it
            continue
        services[name] = {"environment": everywhere} if everywhere else {}
    if shape.all_accounts:
        services["slurmctld"]["environment"] = {
            **everywhere,
            "CLUSTER_ACCOUNTING": "\n".join(accounting(shape)),
        }
    for node in shape.nodes:
        for host in node.hosts:
            more = {"CLUSTER_GPUS": str(node.gpu_count)} if everywhere else {}
            services[host] = _node(host, {**everywhere, **more}, base, shape.containers)
    if words := login_words(shape):
        services[LOGIN]["environment"] = {**everywhere, "CLUSTER_LOGIN": " ".join(words)}
    for name, volumes in _volumes(shape):
        services[name]["volumes"] = volumes
    gone = [host for host in IN_COMPOSE if host not in shape.hosts]
    gone += [name for name in ACCOUNTING_SERVICES if not shape.accounting]
    services.update({name: {"profiles": ["not-in-this-cluster"]} for name in gone})
    return {name: service for name, service in services.items() if service}


def _volumes(shape: Shape) -> Iterator[tuple[str, list[Any]]]:
    """What machines of the cluster have mounted besides."""
    project = {
        "type": "bind",
        "source": shape.editable,
        "target": PROJECT_MOUNT,
        "read_only": True,
        "bind": {"create_host_path": False},
    }
    for name in shape.services:
        if shape.editable and name not in NO_JOBS:
            yield name, [project]
        if shape.rest and name in KNOW_TOKENS:
            yield name, [JWT_KEY]


def _node(
    host: str, environment: Mapping[str, str], base: Path, containers: bool
) -> dict[str, Any]:
    service: dict[str, Any] = {"environment": environment} if environment else {}
    if host not in IN_COMPOSE:
        service["extends"] = {"file": str(base), "service": IN_COMPOSE[0]}
        service["hostname"] = host
        if containers:
            service["security_opt"] = list(FOR_CONTAINERS)
    return service


def _environment(shape: Shape) -> dict[str, str]:
    """What each machine of the cluster is told."""
    told = {}
    if shape.nodes != NODES or shape.partitions or shape.emulated_nodes:
        told["CLUSTER_NODES"] = "\n".join(slurm_conf(shape))
        told["CLUSTER_GRES"] = "\n".join(gres_conf(shape))
        told["CLUSTER_HOSTS"] = " ".join(shape.hosts)
    if shape.emulated_nodes:
        told["CLUSTER_EMULATED"] = "\n".join(emulated_conf(shape.emulated_nodes))
        told["CLUSTER_EMULATED_NAMES"] = emulated_names(shape.emulated_nodes)
    if len(shape.people) > 1:
        told["CLUSTER_USERS"] = " ".join(shape.people[1:])
    if shape.has_environment:
        told["CLUSTER_ENVIRONMENT"] = ENVIRONMENT
    return told


def _of_node(node: Node) -> dict[str, str | int]:
    kind = f"{node.gpu_type}:" if node.gpu_type else ""
    gres = {"Gres": f"gpu:{kind}{node.gpu_count}"} if node.gpu_count else {}
    return {"CPUs": node.cpus, "RealMemory": node.megabytes, **gres, "State": "UNKNOWN"}


def _words(command: str, name: str, settings: Mapping[str, Any]) -> str:
    return " ".join([command, name, *([_line(settings)] if settings else [])])


def _line(words: Mapping[str, Any] | Sequence[tuple[str, Any]]) -> str:
    return " ".join(f"{name}={value}" for name, value in dict(words).items())
