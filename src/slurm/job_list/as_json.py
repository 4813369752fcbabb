"""Jobs as JSON, as the schema of ``slurm jobs list --json`` describes it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from slurm.job_dir.metadata import rfc3339
from slurm.job_list.listed import ListedJob


def as_json(jobs: Iterable[ListedJob], base: str, problem: str = "") -> dict[str, Any]:
    """The whole list; what is not known is null.

    >>> as_json([ListedJob("12", "train")], "/home/me/slurm_jobs")["jobs"][0]["job_id"]
    '12'
    """
    return {"job_base_dir": base, "problem": problem or None, "jobs": list(map(job_as_json, jobs))}


def job_as_json(job: ListedJob) -> dict[str, Any]:
    """One of them; times are RFC 3339 in UTC, lengths of time seconds.

    >>> job_as_json(ListedJob("12", "train", submitted=60.0))["submitted"]
    '1970-01-01T00:01:00.000000+00:00'
    """
    return {
        "job_id": job.job_id,
        "kind": job.kind,
        "name": job.name,
        "task": job.task or None,
        "ours": job.ours,
        "state": str(job.state),
        "reason": job.reason or None,
        "exit_code": job.exit_code or None,
        "states": {str(state): count for state, count in job.states.items()} or None,
        "partition": job.partition or None,
        "node": job.node or None,
        "nodes": job.nodes,
        "cpus": job.cpus,
        "submitted": _moment(job.submitted),
        "may_start": _moment(job.may_start),
        "started": _moment(job.started),
        "ended": _moment(job.ended),
        "elapsed": None if job.elapsed is None else round(job.elapsed, 3),
        "time_limit": job.time_limit,
        "directory": job.directory or None,
        "workflow": job.workflow or None,
    }


def _moment(epoch: float | None) -> str | None:
    return None if epoch is None else rfc3339(epoch)
