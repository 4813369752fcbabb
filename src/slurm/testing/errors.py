"""What can go wrong with the dockerised cluster.

::

    SlurmError
    +-- ClusterError            a docker command for it failed, or it was asked for nonsense
        +-- ClusterStartError   it did not come up; what was started is gone again
"""

from __future__ import annotations

import importlib
from typing import Any

from slurm.errors import SlurmError


class ClusterError(SlurmError):
    """The dockerised cluster cannot do what was asked."""


class ClusterStartError(ClusterError):
    """The dockerised cluster did not come up. The message ends with its daemons' last log lines."""


def module_of_extra(name: str) -> Any:
    """A module that the extra ``testing`` brings. Raises `ClusterError` where that is not installed.

    >>> module_of_extra("filelock").__name__
    'filelock'
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:
            raise  # it is there, and misses something itself
        raise ClusterError(
            f"slurm.testing needs {package}, which is not installed: pip install 'slurm-tasks[testing]'"
        ) from None
