"""Reaching Slurm: backends that know Slurm and files, and never tasks.

It may import `slurm.agent`, `slurm.local`, `slurm.sbatch`, `slurm.job_dir`, `slurm.config` and the root's `errors`
and `states`.

- `base`: what every backend must be able to do; `requests`: what goes to one and comes from it, plain data;
  `stored_packages`: what lies there for many jobs; `cleaned_up`: what was removed of it and of jobs; `record_parts`: what
  items of packed arrays have left; `job_listing`: all that is known of a user's jobs;
  `grown_files`: what was added to files, by reading them whole;
- `by_name`: which backends there are, and how each is made from configuration;
- `site`: where the jobs of one cluster go;
- `agent_backend`: a backend that asks an agent; `local`, `slurm_cli` and `ssh` have it near and far;
- `ssh_command`, `ssh_master`, `ssh_errors`: how ssh is called, the one login that calls share, and what its words mean;
- `agent_text`: the agent as one text; `transport`: questions and answers to it through one ssh, over `pipes`;
  `liveness`: whether the other end still lives; `connection`: made again when it is lost;
- `transfers`, `disk_and_memory`: files of any size on that way.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.api.local import LocalBackend
    from slurm.api.slurm_cli import SlurmCliBackend
    from slurm.api.ssh import SSHCommandBackend

# Loaded when they are first used: every program has one backend, and needs the code of no other.
_HOME_OF = {
    "BackendBase": "slurm.api.base",
    "LocalBackend": "slurm.api.local",
    "SSHCommandBackend": "slurm.api.ssh",
    "SlurmCliBackend": "slurm.api.slurm_cli",
}

__all__ = ["BackendBase", "LocalBackend", "SSHCommandBackend", "SlurmCliBackend"]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
