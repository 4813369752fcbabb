"""What this machine has, as the one node of its cluster."""

from __future__ import annotations

import os

from slurm.local.requests import Resources


def node_name() -> str:
    """The node's name."""
    return os.uname().nodename.split(".")[0]


def machine_room() -> Resources:
    """The cpus that this process, and so its children, may use, and the physical memory."""
    if hasattr(os, "sched_getaffinity"):
        cpus = len(os.sched_getaffinity(0))
    else:
        cpus = os.cpu_count() or 1
    return Resources(cpus, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20)
