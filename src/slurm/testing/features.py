"""What a dockerised cluster has of what sites have: asked of the one that runs, for some of it depends on the engine."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Literal

from slurm.testing.releases import Release
from slurm.testing.shape import Shape

CgroupVersion = Literal["v1", "v2"]
MpiStarter = Literal["srun", "mpirun"]
LIMITS_MEMORY = "task/cgroup"


@dataclass(frozen=True)
class Features:
    """What a cluster has, for tests that depend on it, and for who wants to know how faithful it is.

    - `memory_limits`: whether the kernel ends a job that takes more memory than it asked for, at once, so that it becomes
      OUT_OF_MEMORY. Else Slurm looks now and then, ends it, and calls it FAILED.
    - `cgroups`: the version of the cgroups by which that is done, ``v1`` or ``v2``; None without such limits.
    - `gpus`: whether there are any behind those that jobs are given; there never are.
    - `containers`: whether jobs can run in containers.
    - `mpi`: what starts programs of MPI, ``srun`` or ``mpirun``; None where there is no MPI.
    """

    memory_limits: bool = False
    cgroups: CgroupVersion | None = None
    gpus: bool = False
    containers: bool = False
    mpi: MpiStarter | None = None

    def __str__(self) -> str:
        """All of them in a row.

        >>> print(Features(memory_limits=True, cgroups="v2"))
        memory_limits=yes cgroups=v2 gpus=no containers=no mpi=none
        """
        words = {True: "yes", False: "no", None: "none"}
        values = ((one.name, getattr(self, one.name)) for one in fields(self))
        return " ".join(f"{name}={words.get(value, value)}" for name, value in values)


def features_of(shape: Shape, release: Release, config: str) -> Features:
    """What a cluster has, from its shape and release and from what ``scontrol show config`` says of it.

    >>> from slurm.testing.releases import RELEASES
    >>> config = "TaskPlugin = task/cgroup\\nCgroupPlugin = cgroup/v1"
    >>> print(features_of(Shape(mpi=True), RELEASES["trixie"], config))
    memory_limits=yes cgroups=v1 gpus=no containers=no mpi=srun
    """
    says = dict(re.findall(r"^(\w+) *= *(.*?) *$", config, re.MULTILINE))
    limits = LIMITS_MEMORY in says.get("TaskPlugin", "").split(",")
    version: CgroupVersion = "v2" if says.get("CgroupPlugin") == "cgroup/v2" else "v1"
    starter: MpiStarter = "srun" if release.has_pmix else "mpirun"
    return Features(
        memory_limits=limits,
        cgroups=version if limits else None,
        containers=shape.containers,
        mpi=starter if shape.mpi else None,
    )
