"""Finding jobs again that an earlier client submitted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from slurm.context import get_active_context
from slurm.errors import ConfigError, JobError, NoActiveContext, RemoteFileMissing
from slurm.job import Job
from slurm.job_dir import JobDirectory, receipt_of_job

if TYPE_CHECKING:
    from slurm.cluster import Cluster


def job_from_id(job_id: str, cluster: Cluster) -> Job[Any]:
    """See `Cluster.get_job`."""
    if not job_id.isdecimal():
        raise ConfigError(f"{job_id!r} is no job id: give the number that sbatch prints")
    try:
        receipt = _read(cluster, receipt_of_job(cluster.job_base_dir, job_id))
    except RemoteFileMissing:
        raise RemoteFileMissing(
            f"no job {job_id} was submitted under {cluster.job_base_dir}; "
            "Job.from_dir(path) finds one by its directory"
        ) from None
    return job_from_dir(receipt["job_dir"], cluster)


def job_from_dir(path: str, cluster: Cluster | None) -> Job[Any]:
    """See `Job.from_dir`."""
    cluster = cluster or _active_cluster()
    directory = JobDirectory(path.rstrip("/"))
    metadata = _read(cluster, directory.metadata)
    if not metadata.get("job_id"):
        raise JobError(
            f"the job in {path} was prepared and never submitted, as far as its metadata knows",
            job_dir=path,
        )
    return Job(
        cluster,
        id=metadata["job_id"],
        task_name=metadata["task_name"],
        job_dir=directory.path,
        token=metadata["token"],
        reattached=True,
    )


def _active_cluster() -> Cluster:
    context: Any = get_active_context()
    cluster: Cluster | None = getattr(context, "cluster", context)
    if cluster is None:
        raise NoActiveContext(
            "Job.from_dir(path) needs a cluster: pass cluster=..., or call it inside "
            "'with Cluster(...) as cluster:'"
        )
    return cluster


def _read(cluster: Cluster, path: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(cluster.backend.read_file(path))
    except ValueError as error:
        raise JobError(f"{path} cannot be read as JSON: {error}") from error
    return content
