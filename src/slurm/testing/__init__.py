"""A real Slurm in Docker, as a class, a command and pytest fixtures.

::

    python -m slurm.testing up         __main__, and slurm test-cluster: up, down, status, logs, shell
      -> command_options, using        their options, and what each does
      -> docker_cluster.DockerCluster  what can be done with one cluster
           -> compose.ComposeProject   how docker compose is called for it
                -> image               what its services run: built once, named by what is in it
                -> engine              which engine it is that answers: Docker or Podman
                -> releases            the releases of Slurm that it can be
                -> mpi                 what programs of MPI take, which is not the same in all
                -> commands            commands that are called for it
           -> access                   the files by which the cluster is reached
           -> features                 what it really has: memory limits, MPI
           -> login                    what stands before its login node: a second factor, a bastion
           -> rest, relay              its slurmrestd, for those who ask it, and the way there where the engine is elsewhere
           -> starting                 started in its shape, with nothing left of what does not come up
           -> node_commands            commands and files on its machines, by exec and by ssh
           -> disturbing               its services broken, and mended
           -> environment, editable    a Python environment on its shared volume, with the user's project
    pytest                             plugin: the fixtures slurm_cluster and cluster
      -> sharing                       one cluster for all xdist workers of a test run
      -> fake_slurm                    fakes of Slurm's commands: the fixture fake_slurm, without Docker

What a cluster is to be like is a `shape.Shape` of `shape_parts`: `shape_checks` and `slurm_words` say what makes sense, `shape_text` reads
it from text, `shape_options` from options, and `shape_files` has what Slurm and Compose are told of it, `emulated_nodes` what they are of those. What can go wrong is in `errors`. The
cluster itself is described by ``docker-compose.yml`` and ``docker/``, which come along. This room may import what
a user's tests may: `Cluster`, and nothing that is not public; and what installs packages on a cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurm.testing.errors import ClusterError, ClusterStartError

if TYPE_CHECKING:
    from slurm.testing.docker_cluster import DockerCluster
    from slurm.testing.features import Features
    from slurm.testing.shape_parts import QOS, Account, Node, Partition

__all__ = [
    "QOS",
    "Account",
    "ClusterError",
    "ClusterStartError",
    "DockerCluster",
    "Features",
    "Node",
    "Partition",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from slurm.testing import docker_cluster, features, shape_parts

    homes = {"DockerCluster": docker_cluster, "Features": features}
    return getattr(homes.get(name, shape_parts), name)
