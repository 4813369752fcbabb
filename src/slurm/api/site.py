"""Where the jobs of one cluster go: its backend and directories, as a plain object."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from slurm import forks
from slurm.api.base import BackendBase
from slurm.errors import ConfigError, SlurmError
from slurm.job_dir.paths import RESULT_GRACE, event_directory


class Site(NamedTuple):
    """What submitting a job and reading its result need to know of a cluster. `Cluster` makes it.

    - `name`: the backend's, as `Cluster` was given it; `backend`: how the cluster is reached; `options`: what it was
      made with.
    - `place`: equal for sites on which a job id means the same job.
    - `base`: the directory for jobs as it was written down, which may begin with ``~``; `client`: whose events these
      are, each process's its own; `python`: the interpreter there.
    - `submit_defaults`: sbatch options for every job that does not say otherwise; None for one to leave out.
    - `poll_intervals`: seconds between two questions to the scheduler, at least and at most.
    - `result_grace`: seconds for which the result of a job that has ended may not be visible yet.
    """

    name: str
    backend: BackendBase
    options: Mapping[str, Any]
    place: tuple[object, ...]
    base: str
    client: forks.Own[str]
    python: str
    submit_defaults: Mapping[str, str | None]
    poll_intervals: tuple[float, float]
    result_grace: float = RESULT_GRACE

    @property
    def job_base_dir(self) -> str:
        """The absolute directory on the cluster under which job directories are made; see `Cluster.job_base_dir`."""
        return self._under_home(lambda: self.backend.host().home)

    @property
    def shown_home(self) -> str:
        """The home directory there, for a dry run: ``/<home>`` where nobody answers."""
        try:
            return self.backend.host().home
        except SlurmError:
            return "/<home>"

    @property
    def shown_base(self) -> str:
        """`job_base_dir`, for a dry run."""
        return self._under_home(lambda: self.shown_home)

    def _under_home(self, home: Callable[[], str]) -> str:
        base = self.base
        if base == "~" or base.startswith("~/"):
            base = posixpath.join(home(), base[2:])
        if not base.startswith("/"):
            raise ConfigError(f"job_base_dir {self.base!r} must be absolute, or start with ~/")
        return posixpath.normpath(base)

    @property
    def event_dir(self) -> str:
        """Where runners tell this client that they have finished."""
        return self.event_dir_under(self.job_base_dir)

    def event_dir_under(self, base: str) -> str:
        """`event_dir`, where the directory for jobs is known."""
        return event_directory(base, self.client.get())

    def of_children(self, packaging: Mapping[str, Any], base: str) -> dict[str, Any]:
        """The arguments of the `Cluster` that a workflow's own jobs are submitted to, on its node; plain JSON.

        `base` is the directory for jobs, absolute; `packaging` is what they inherit from the workflow's job.
        """
        is_local = self.name == "local"
        return {
            "backend_type": "local" if is_local else "slurm",
            "job_base_dir": base,
            "python": self.python,
            "packaging": dict(packaging),
            "submit": dict(self.submit_defaults),
            "poll_interval_min": self.poll_intervals[0],
            "poll_interval_max": self.poll_intervals[1],
            "result_grace": self.result_grace,
            **(self.options if is_local else {}),
        }

    def __str__(self) -> str:
        return f"<Cluster {self.name} {self.base}>"
