"""Where the jobs of one cluster go: its backend and directories, as a plain object."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slurm.api.base import BackendBase
from slurm.errors import ConfigError
from slurm.job_dir.paths import event_directory


@dataclass(frozen=True, eq=False)
class Site:
    """What submitting a job and reading its result need to know of a cluster. `Cluster` makes it.

    - `name`: the backend's, as `Cluster` was given it; `backend`: how the cluster is reached; `options`: what it was
      made with.
    - `place`: equal for sites on which a job id means the same job.
    - `base`: the directory for jobs as it was written down, which may begin with ``~``; `client`: whose events these
      are; `python`: the interpreter there.
    - `submit_defaults`: sbatch options for every job that does not say otherwise.
    """

    name: str
    backend: BackendBase
    options: Mapping[str, Any]
    place: tuple[object, ...]
    base: str
    client: str
    python: str
    submit_defaults: Mapping[str, str]

    @property
    def job_base_dir(self) -> str:
        """The absolute directory on the cluster under which job directories are made; see `Cluster.job_base_dir`."""
        base = self.base
        if base == "~" or base.startswith("~/"):
            base = posixpath.join(self.backend.host().home, base[2:])
        if not base.startswith("/"):
            raise ConfigError(f"job_base_dir {self.base!r} must be absolute, or start with ~/")
        return posixpath.normpath(base)

    @property
    def event_dir(self) -> str:
        """Where runners tell this client that they have finished."""
        return event_directory(self.job_base_dir, self.client)

    def __str__(self) -> str:
        return f"<Cluster {self.name} {self.base}>"
