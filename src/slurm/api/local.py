"""The backend for a machine without Slurm: jobs are processes of this machine."""

from __future__ import annotations

import os
from typing import Any

from slurm.api.agent import Agent
from slurm.api.slurm_cli import InProcessBackend
from slurm.checks import check_count, check_positive, expand_home


class LocalBackend(InProcessBackend):
    """Runs each job's script as a process, through a scheduler that outlives this client.

    `state_dir` holds the scheduler's socket and journal: backends with the same one share their
    queue. `max_cpus` bounds what runs at once (default: the machine's cores).
    """

    def __init__(
        self, *, state_dir: str, max_cpus: int | None = None, idle_timeout: float = 30.0
    ) -> None:
        from slurm.local.scheduler import LocalScheduler

        check_count("max_cpus", max_cpus)
        check_positive("idle_timeout", idle_timeout)
        self.scheduler = LocalScheduler(
            os.path.abspath(expand_home("state_dir", state_dir)),
            max_cpus=max_cpus,
            idle_timeout=idle_timeout,
        )
        super().__init__(Agent(self.scheduler))

    def shutdown(self, *, kill_jobs: bool = False) -> None:
        """End the scheduler of this `state_dir`; its running jobs too when `kill_jobs`."""
        self.scheduler.shutdown(kill_jobs=kill_jobs)

    def info(self) -> dict[str, Any]:
        """The scheduler's bounds and load."""
        info: dict[str, Any] = self.scheduler.info()
        return info
