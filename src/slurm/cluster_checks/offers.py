"""What a cluster offers and what is free there, and the jobs in its queue: the same for Slurm and for this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slurm import Cluster
from slurm.api.local import LocalBackend
from slurm.cluster_checks.asking import ask
from slurm.errors import SchedulerUnreachable

KINDS = ("cpus", "memory", "gpus")
LIMITS = ("MaxArraySize", "MaxJobCount")


def offered(cluster: Cluster) -> dict[str, Any]:
    """Its partitions, with states of nodes, what they have and what is free, and what bounds jobs.

    Memory is in megabytes. Raises `SchedulerUnreachable` where Slurm does not answer.
    """
    if isinstance(cluster.backend, LocalBackend):
        return _of_this_machine(cluster.backend)
    said = ask(cluster, ["controller", "accounting", "partitions"]).said
    controller = said["controller"]
    if controller["code"] != 0:
        raise SchedulerUnreachable(controller["error"] or "scontrol does not say why it failed")
    config = controller["config"]
    limits = {name: int(config[name]) for name in LIMITS if config.get(name, "").isdigit()}
    return {
        "name": config.get("ClusterName"),
        "slurm": config.get("SLURM_VERSION"),
        "partitions": said["partitions"],
        "limits": limits,
        "accounts": sorted({row["account"] for row in said["accounting"]["associations"]}),
        "default_account": said["accounting"]["default_account"] or None,
    }


def _of_this_machine(backend: LocalBackend) -> dict[str, Any]:
    info = backend.info()
    running = [row for row in backend.get_queue() if row["state"] == "RUNNING"]
    used = {
        "cpus": sum(row["cpus"] for row in running),
        "memory": sum(row["mem"] for row in running),
        "gpus": 0,
    }
    total = {"cpus": info["max_cpus"], "memory": info["max_mem"], "gpus": 0}
    return {
        "name": None,
        "slurm": None,
        "partitions": [
            {
                "partition": "local",
                "default": True,
                "state": "UP",
                "max_time": "UNLIMITED",
                "default_time": "",
                "default_memory": "",
                "max_nodes": "1",
                "accounts": "ALL",
                "nodes": {"mixed" if running else "idle": 1},
                **{kind: _room(total[kind], used[kind]) for kind in KINDS},
            }
        ],
        "limits": {"MaxArraySize": backend.limits()["max_array_size"]},
        "accounts": [],
        "default_account": None,
    }


def _room(total: int, used: int) -> dict[str, int]:
    return {"total": total, "used": used, "free": max(0, total - used)}


def queue(cluster: Cluster, *, all_users: bool = False) -> Mapping[str, Any]:
    """The ``jobs`` that have not ended, of this user or of all, and whether these are all of them (``complete``).

    Raises `SchedulerUnreachable` where Slurm does not answer.
    """
    if isinstance(cluster.backend, LocalBackend):
        user = cluster.backend.host().user
        return {
            "jobs": [_row(row, user) for row in cluster.backend.get_queue()],
            "complete": True,
        }
    said: Mapping[str, Any] = ask(cluster, ["queue"], all_users=all_users).said["queue"]
    if said["error"]:
        raise SchedulerUnreachable(said["error"])
    return {"jobs": said["jobs"], "complete": said["complete"]}


def _row(row: Mapping[str, Any], user: str) -> dict[str, str]:
    """A job of this machine in the words of Slurm's queue."""
    return {
        "job_id": row["job_id"],
        "partition": row["partition"],
        "user": user,
        "state": row["state"],
        "time": "",
        "time_limit": "",
        "nodes": "1",
        "cpus": str(row["cpus"]),
        "reason": row["node"] or f"({row['reason']})",
        "name": row["name"],
    }
