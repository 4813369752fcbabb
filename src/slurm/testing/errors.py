"""What can go wrong with the dockerised cluster.

::

    SlurmError
    +-- ClusterError            a docker command for it failed, or it was asked for nonsense
        +-- ClusterStartError   it did not come up; what was started is gone again
"""

from __future__ import annotations

from slurm.errors import SlurmError


class ClusterError(SlurmError):
    """The dockerised cluster cannot do what was asked."""


class ClusterStartError(ClusterError):
    """The dockerised cluster did not come up. The message ends with its daemons' last log lines."""
