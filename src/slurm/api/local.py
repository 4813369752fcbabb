"""The backend for a machine without Slurm: jobs are processes of this machine."""

from __future__ import annotations

import os
from typing import Any

from slurm.agent.agent import Agent
from slurm.agent.errors import AgentError
from slurm.api.agent_backend import error_of
from slurm.api.slurm_cli import InProcessBackend
from slurm.config.checks import check_count, check_positive, expand_home
from slurm.errors import ConfigError
from slurm.sbatch.options import InvalidOption


class LocalBackend(InProcessBackend):
    """Runs each job's script as a process, through a scheduler that outlives this client.

    `state_dir` holds the scheduler's socket and journal: backends with the same one share their
    queue. `max_cpus` and `max_mem` (a size as ``--mem`` spells it, such as ``"8G"``) bound what runs
    at once (default: all the machine has): the sum of what the running jobs ask for. A job that asks
    for more cpus gets those there are, one that asks for more memory is refused; none is ended because
    it uses more than it asked for. `max_array_size` is what MaxArraySize is to Slurm.

    >>> LocalBackend(state_dir="~/scheduler", max_cpus=2, max_mem="4G").scheduler.limits()
    {'max_array_size': 1001}

    Raises `ConfigError`.
    """

    def __init__(
        self,
        *,
        state_dir: str,
        max_cpus: int | None = None,
        max_mem: str | int | None = None,
        max_array_size: int | None = None,
        idle_timeout: float = 30.0,
    ) -> None:
        from slurm.local.arrays import LARGEST_SIZE, MAX_ARRAY_SIZE
        from slurm.local.scheduler import LocalScheduler

        check_count("max_cpus", max_cpus)
        check_count("max_array_size", max_array_size)
        if max_array_size is not None and max_array_size > LARGEST_SIZE:
            raise ConfigError(
                f"max_array_size {max_array_size} is more than Slurm's {LARGEST_SIZE}"
            )
        check_positive("idle_timeout", idle_timeout)
        self.scheduler: LocalScheduler = LocalScheduler(
            os.path.abspath(expand_home("state_dir", state_dir)),
            max_cpus=max_cpus,
            max_mem=_megabytes("max_mem", max_mem),
            max_array_size=MAX_ARRAY_SIZE if max_array_size is None else max_array_size,
            idle_timeout=idle_timeout,
        )
        super().__init__(Agent(self.scheduler))

    def shutdown(self, *, kill_jobs: bool = False) -> None:
        """End the scheduler of this `state_dir`; its running jobs too when `kill_jobs`."""
        self.scheduler.shutdown(kill_jobs=kill_jobs)

    def release(self, job_id: str) -> None:
        """Have a job start again that is held with the reason JobHoldMaxRequeue: ``scontrol release``.

        Raises `SlurmError` when it is not held.
        """
        try:
            self.scheduler.release(job_id)
        except AgentError as error:
            raise error_of(error.kind, str(error)) from None

    def info(self) -> dict[str, Any]:
        """The scheduler's bounds and load."""
        info: dict[str, Any] = self.scheduler.info()
        return info


def _megabytes(name: str, size: str | int | None) -> int | None:
    if size is None:
        return None
    from slurm.sbatch.values import parse_memory

    text = "" if isinstance(size, bool) else str(size)
    try:
        megabytes = parse_memory(text)
    except InvalidOption as error:
        raise ConfigError(f"{name} {size!r}: {error}") from None
    if megabytes == 0:
        raise ConfigError(f"{name} {size!r}: there is no room for a job in that")
    return megabytes
