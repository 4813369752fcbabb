"""Finding jobs again that an earlier client submitted."""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING, Any

from slurm.array_job import ArrayJob, SubmittedArray
from slurm.context import get_active_context
from slurm.errors import (
    ConfigError,
    JobError,
    NoActiveContext,
    RemoteFileMissing,
    SubmissionUnknown,
)
from slurm.job import Job
from slurm.job_dir.metadata import piece_key
from slurm.job_dir.paths import (
    ARRAY_METADATA,
    JOB_SCRIPT,
    METADATA,
    ArrayDirectory,
    JobDirectory,
    array_of,
    receipt_of_job,
    script_of_piece,
    token_of_piece,
)
from slurm.sbatch.array_layout import ArrayLayout

if TYPE_CHECKING:
    from slurm.cluster import Cluster


def job_from_id(job_id: str, cluster: Cluster) -> Job[Any]:
    """See `Cluster.get_job`."""
    number, _, task = job_id.partition("_")
    if not number.isdecimal() or (task != "" and not task.isdecimal()):
        raise ConfigError(
            f"{job_id!r} is no job id: give the number that sbatch prints, or 12_3 for task 3 of array 12"
        )
    path = _directory_of(number, cluster)
    if cluster.site.backend.file_exists(ArrayDirectory(path).metadata):
        if not task:
            raise ConfigError(f"job {job_id} is an array: use cluster.get_array({job_id})")
        return _with_id(array_from_dir(path, cluster), job_id)
    return job_from_dir(path, cluster)


def array_from_id(job_id: str, cluster: Cluster) -> ArrayJob[Any]:
    """See `Cluster.get_array`."""
    if not job_id.isdecimal():
        raise ConfigError(f"{job_id!r} is no array's id: give the number that sbatch prints")
    return array_from_dir(_directory_of(job_id, cluster), cluster)


def _directory_of(number: str, cluster: Cluster) -> str:
    try:
        receipt = _read(cluster, receipt_of_job(cluster.site.job_base_dir, number))
    except RemoteFileMissing:
        raise RemoteFileMissing(
            f"no job {number} was submitted under {cluster.site.job_base_dir}; "
            "Job.from_dir(path) finds one by its directory"
        ) from None
    return str(receipt["job_dir"])


def _with_id(array: ArrayJob[Any], job_id: str) -> Job[Any]:
    for job in array:
        if job.id == job_id:
            return job
    raise RemoteFileMissing(f"array {array.id} has no task {job_id}")


def job_from_dir(path: str, cluster: Cluster | None) -> Job[Any]:
    """See `Job.from_dir`."""
    cluster = cluster or _active_cluster()
    directory = JobDirectory(path.rstrip("/"))
    array = array_of(directory.path)
    if array is not None and cluster.site.backend.file_exists(array.metadata):
        return array_from_dir(array.path, cluster)[int(posixpath.basename(directory.path))]
    metadata = _read(cluster, directory.metadata)
    about = {"token": metadata["token"], "script": JOB_SCRIPT, "metadata": METADATA}
    job_id = metadata.get("job_id") or _find(cluster, directory.path, id_key="job_id", **about)
    if not job_id:
        raise JobError(f"the job in {path} was prepared and never submitted", job_dir=path)
    return Job(
        cluster,
        id=job_id,
        task_name=metadata["task_name"],
        job_dir=directory.path,
        token=metadata["token"],
        reattached=True,
    )


def array_from_dir(path: str, cluster: Cluster | None) -> ArrayJob[Any]:
    """See `ArrayJob.from_dir`."""
    cluster = cluster or _active_cluster()
    directory = ArrayDirectory(path.rstrip("/"))
    metadata = _read(cluster, directory.metadata)
    layout = ArrayLayout(metadata["count"], metadata["pack"], metadata["max_array_size"])
    ids = []
    for piece in range(len(layout.pieces)):
        about = {"script": script_of_piece(piece), "metadata": ARRAY_METADATA}
        key, token = piece_key(piece), token_of_piece(metadata["token"], piece)
        job_id = metadata.get(key) or _find(
            cluster, directory.path, token=token, id_key=key, **about
        )
        if not job_id:
            raise JobError(
                f"the array in {path} was prepared and not submitted as a whole", job_dir=path
            )
        ids.append(str(job_id))
    state = SubmittedArray(tuple(ids), directory, layout, metadata["token"], reattached=True)
    return ArrayJob(cluster, metadata["task_name"], state)


def _find(cluster: Cluster, path: str, **about: str) -> str | None:
    """The id that nobody has noted: the answer was lost, or has not come yet."""
    try:
        return cluster.site.backend.find_job(path, **about)
    except SubmissionUnknown as error:
        message = f"nobody can tell now whether the job in {path} was submitted: {error}"
        raise SubmissionUnknown(message, token=about["token"], job_dir=path) from error


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
        content: dict[str, Any] = json.loads(cluster.site.backend.read_file(path))
    except ValueError as error:
        raise JobError(f"{path} cannot be read as JSON: {error}") from error
    return content
