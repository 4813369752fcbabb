"""A real Slurm in Docker, as a class, a command and pytest fixtures.

::

    python -m slurm.testing up         __main__: up, down, status, logs, shell
      -> docker_cluster.DockerCluster  what can be done with one cluster
           -> compose.ComposeProject   how docker compose is called for it
           -> access                   the files by which the cluster is reached
           -> disturbing               its services broken, and mended
    pytest                             plugin: the fixtures slurm_cluster and cluster
      -> sharing                       one cluster for all xdist workers of a test run
      -> fake_slurm                    fakes of Slurm's commands: the fixture fake_slurm, without Docker

What can go wrong is in `errors`. The cluster itself is described by ``docker-compose.yml`` and ``docker/``, which come along. This room may import what
a user's tests may: `Cluster`, and nothing that is not public.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slurm.testing.errors import ClusterError, ClusterStartError

if TYPE_CHECKING:
    from slurm.testing.docker_cluster import DockerCluster

__all__ = ["ClusterError", "ClusterStartError", "DockerCluster"]


def __getattr__(name: str) -> Any:
    if name != "DockerCluster":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from slurm.testing.docker_cluster import DockerCluster

    return DockerCluster
