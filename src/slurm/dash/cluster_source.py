"""The answers of a cluster: what the scheduler says, and what the jobs have left in their directories."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

from slurm.api.requests import FilePlace
from slurm.array_job import ArrayJob
from slurm.cluster import Cluster
from slurm.dash.source import Answer, LogPart
from slurm.dash.view import identity
from slurm.errors import JobError, RemoteFileMissing
from slurm.job import Job
from slurm.job_list import ListedJob, jobs_in
from slurm.job_list.listed import ARRAY, ELEMENT
from slurm.job_tree import JobTree
from slurm.results import logs
from slurm.results.plain_jobs import path_of_output
from slurm.states import JobState
from slurm.submit.rerun import rerun
from slurm.tracking.job_metadata import metadata_of

LOG_BYTES, ERROR_BYTES = 64 << 10, 4 << 10  # of the end of a file
# Seconds between two questions, at least: each has squeue and sacct run, and a person looks at what they say.
LEAST, LEAST_FOR_LOG = 2.0, 1.0
# The directory of a run; what a workflow has submitted lies below its own.
RUN = re.compile(r".*?/[0-9]{8}_[0-9]{6}_[0-9a-f]{8}(?=/|$)")


class ClusterSource:
    """The jobs of a user on a cluster: those that have not ended, and those that did in the last `since` seconds."""

    def __init__(self, cluster: Cluster, since: float) -> None:
        self.cluster: Cluster = cluster
        self.name: str = str(cluster).strip("<>").partition(" ")[2]
        shortest, longest = cluster.site.poll_intervals
        self.pauses: tuple[float, float] = (max(LEAST, shortest), max(LEAST, longest))
        self.log_pause: float = max(LEAST_FOR_LOG, shortest)
        self._since = since
        self._paths: dict[tuple[object, ...], str] = {}

    def rows(self, *, elements: bool) -> Answer:
        """See `Source`. The clock is this machine's, which decides only what is old."""
        base = self.cluster.job_base_dir
        listing = self.cluster.backend.list_jobs(base, since=time.time() - self._since)
        return Answer(listing.now, jobs_in(listing, elements=elements), listing.problem)

    def log(self, job: ListedJob, *, stderr: bool, place: FilePlace | None) -> LogPart:
        """See `Source`. Raises `RemoteFileMissing` where nobody knows the file."""
        if job.kind == ARRAY:
            raise JobError(
                "Each element of an array has a log of its own: press e to see the elements."
            )
        path = self._path(job, stderr)
        begin = place or FilePlace(-LOG_BYTES)
        added = self.cluster.backend.wait_added([(path, begin)], timeout=0)
        if not added:
            return LogPart("", begin)
        data = added[0].data
        if place is None and added[0].start > 0:  # the line in which it begins is not whole
            data = data.partition(b"\n")[2]
        return LogPart(data.decode("utf-8", "replace"), added[0].place, added[0].anew)

    def error(self, job: ListedJob) -> str:
        """See `Source`: the error that the job has noted, else the end of what it printed to stderr."""
        if not job.ours or job.kind == ARRAY:
            return ""
        [record] = self._job(job).records
        try:
            noted = metadata_of(record).get("error")
        except (RemoteFileMissing, ValueError):  # it noted nothing, or was killed doing so
            noted = None
        return str(noted) if noted else "\n".join(filter(None, logs.tail(record, ERROR_BYTES)))

    def tree(self, job: ListedJob) -> str:
        """See `Source`."""
        run = RUN.match(job.directory)
        if not (job.ours and run):
            raise JobError("Only what slurm-tasks has submitted has a tree.")
        return JobTree.from_dir(run.group(), self.cluster).to_text()

    def cancel(self, jobs: Sequence[ListedJob]) -> None:
        """See `Source`. The scheduler is asked first which of them go on: it may have given their ids to others since."""
        elements = any(job.kind == ELEMENT for job in jobs)
        now = {identity(job): job for job in self.rows(elements=elements).jobs if job.live}
        going_on = [now[identity(job)] for job in jobs if identity(job) in now]
        if not going_on:
            raise JobError("there is nothing to cancel: all of it has ended meanwhile")
        self.cluster.backend.cancel_jobs([one for job in going_on for one in job.ids])

    def rerun(self, job: ListedJob) -> str:
        """See `Source`. An element runs again however it ended, of an array those that did not end well."""
        items = None
        if job.kind in (ARRAY, ELEMENT):
            wanted = {job.job_id} if job.kind == ELEMENT else self._failed_of(job)
            array = ArrayJob.from_dir(job.directory, self.cluster)
            items = [number for number, one in enumerate(array.records) if one.id in wanted]
        again: Job[Any] | ArrayJob[Any] = rerun(job.directory, self.cluster.submitter, {}, items)
        return again.id

    def _failed_of(self, array: ListedJob) -> set[str]:
        """The ids of its elements that did not end well. Raises `JobError` where there are none, or others go on."""
        elements = self.rows(elements=True).jobs
        of_it = [job for job in elements if job.directory == array.directory]
        if any(job.live for job in of_it):
            raise JobError(f"array {array.number} goes on: wait for it, or cancel it first")
        failed = {job.job_id for job in of_it if job.state is not JobState.COMPLETED}
        if not failed:
            raise JobError(
                f"all elements of array {array.number} ended well: press e to choose one"
            )
        return failed

    def _path(self, job: ListedJob, stderr: bool) -> str:
        """The file that has the log; kept once it is certain, which it is when the job has begun."""
        key = (*identity(job), job.submitted, stderr)
        path = self._paths.get(key)
        if path is None:
            path = self._path_of_ours(job, stderr) if job.ours else self._path_of_other(job, stderr)
            if job.started is not None:
                self._paths[key] = path
        return path

    def _path_of_ours(self, job: ListedJob, stderr: bool) -> str:
        found = self._job(job)
        return found.stderr_path if stderr else found.stdout_path

    def _path_of_other(self, job: ListedJob, stderr: bool) -> str:
        stream = logs.STDERR if stderr else logs.STDOUT
        return path_of_output(self.cluster.backend, job.job_id, stream)

    def _job(self, job: ListedJob) -> Job[Any]:
        """By its directory: schedulers use ids again."""
        if job.kind != ELEMENT:
            return Job.from_dir(job.directory, self.cluster)
        array = ArrayJob.from_dir(job.directory, self.cluster)
        for one in array.jobs:
            if one.id == job.job_id:
                return one
        raise JobError(f"there is no {job.job_id} in the array in {job.directory}")
