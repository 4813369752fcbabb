"""Which job this process runs in, and which attempt of it, as Slurm's environment variables say."""

from __future__ import annotations

from collections.abc import Mapping


def own_job_id(environ: Mapping[str, str]) -> str | None:
    """The id of the job that runs in `environ`, as ``squeue`` shows it; None outside of all."""
    if "SLURM_ARRAY_JOB_ID" in environ:
        return f"{environ['SLURM_ARRAY_JOB_ID']}_{environ['SLURM_ARRAY_TASK_ID']}"
    return environ.get("SLURM_JOB_ID")


def own_attempt(environ: Mapping[str, str]) -> int:
    """1, and one more for each time that the scheduler has started the job again.

    >>> own_attempt({"SLURM_RESTART_COUNT": "2"})
    3
    """
    return int(environ.get("SLURM_RESTART_COUNT") or 0) + 1
