"""Finding the job that a command was given: by its id, or by its directory; the SDK's, or one of somebody else."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, Union

from slurm import ArrayJob, Cluster, Job
from slurm.api.requests import Submitted
from slurm.config.ages import age
from slurm.errors import ConfigError, RemoteFileMissing
from slurm.job_dir.paths import ArrayDirectory
from slurm.job_list import jobs_in
from slurm.job_list.chosen import named

PLAIN = "/.plain/"
LATELY = age("1d")
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


def found_or_plain(cluster: Cluster, word: str) -> Sequence[Found]:
    """The jobs that a word stands for; those that the SDK has not submitted as jobs that are watched, and no more."""
    try:
        return [found(cluster, word)]
    except ConfigError as error:
        if not word[:1].isdecimal():
            raise
        listing = cluster.backend.list_jobs(cluster.job_base_dir, since=time.time() - LATELY)
        try:
            chosen = named(absolute(cluster, word), jobs_in(listing, elements=True))
        except ConfigError:
            raise error from None
    return [_watched(cluster, job.job_id, job.name) for job in chosen]


def is_plain(job: Found) -> bool:
    """Whether the SDK has not submitted it: it has no directory."""
    return PLAIN in job.job_dir


def _watched(cluster: Cluster, job_id: str, name: str) -> Job[Any]:
    nowhere = f"{cluster.job_base_dir}{PLAIN}{job_id}"  # nothing is written into one
    record = cluster.submitter.record(
        task_name=name, token="", submission=Submitted(job_id, nowhere, reattached=True)
    )
    job: Job[Any] = cluster.submitter.job_of(record)
    return job
