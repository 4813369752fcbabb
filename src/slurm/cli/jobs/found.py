"""Finding the job that a command was given: by its id, or by its directory."""

from __future__ import annotations

import re
from typing import Any, Union

from slurm import ArrayJob, Cluster, Job
from slurm.errors import ConfigError, RemoteFileMissing
from slurm.job_dir.paths import ArrayDirectory

ID = re.compile(r"\d+(_\d+)?")
Found = Union[Job[Any], ArrayJob[Any]]


def found(cluster: Cluster, given: str) -> Found:
    """The job or array with this id or in this directory on the cluster. Raises `ConfigError` where there is none."""
    try:
        return _with_id(cluster, given) if ID.fullmatch(given) else _in(cluster, given)
    except RemoteFileMissing as error:
        raise ConfigError(str(error)) from error


def _with_id(cluster: Cluster, job_id: str) -> Found:
    try:
        return cluster.get_job(job_id)
    except ConfigError:
        if "_" in job_id:
            raise
        return cluster.get_array(job_id)


def _in(cluster: Cluster, path: str) -> Found:
    path = absolute(cluster, path)
    if not path.startswith("/"):
        raise ConfigError(
            f"JOB {path!r} is neither a job id nor a directory on the cluster, which begins with / or ~/"
        )
    if cluster.backend.file_exists(ArrayDirectory(path.rstrip("/")).metadata):
        return ArrayJob.from_dir(path, cluster)
    return Job.from_dir(path, cluster)


def absolute(cluster: Cluster, word: str) -> str:
    """A path on the cluster with its ``~`` replaced; another word as it is."""
    is_at_home = word == "~" or word.startswith("~/")
    return cluster.backend.host().home + word[1:] if is_at_home else word
