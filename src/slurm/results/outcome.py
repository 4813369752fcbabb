"""What became of a finished job: its value, its task's exception, or why there is neither."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from slurm import errors
from slurm.job_dir.result import load_envelope, open_envelope, too_large
from slurm.job_dir.result_file import Part

if TYPE_CHECKING:
    from slurm.api.requests import Progress
    from slurm.job import Job

# A result file may become visible on this machine after the scheduler says that the job is done
# (NFS attribute caches live for up to a minute by default; most sites' are far shorter).
RESULT_GRACE = 10.0
RESULT_RETRY = 0.2


@dataclass(frozen=True)
class Outcome:
    """A value or an exception, handed out as often as asked.

    `place` is where the pickled value begins in the result file, and its length; None where it does
    not stand there by itself. One that does not last may be another the next time: there was not the
    memory for the value.
    """

    value: Any = None
    error: BaseException | None = None
    place: tuple[int, int] | None = None
    lasts: bool = True

    def get(self) -> Any:
        """The value; raises the exception where there is one."""
        if self.error is not None:
            raise self.error
        return self.value


def fetch_outcome(
    job: Job[Any], patience: float | None = None, progress: Progress | None = None
) -> Outcome:
    """Read the result of a finished `job`, unless it came with the news of its end.

    `progress` is told how far a large one is.
    Raises only what says nothing about it: the connection's errors, and the built-in ``TimeoutError``
    when the result of a completed job is not visible within `patience` seconds and still may be.
    """
    pushed = _pushed(job)
    if pushed is not None:
        return pushed
    grace = RESULT_GRACE if job.is_successful() else 0.0
    waited = grace if patience is None else min(grace, patience)
    try:
        file = _open_result(job, waited, progress)
    except errors.RemoteFileMissing:
        if waited < grace:
            raise TimeoutError(f"the result of job {job.id} is not visible here yet") from None
        from slurm.results.failures import failure_of

        return Outcome(error=failure_of(job, patience))
    except errors.FileTooLarge as error:
        return _failed(job, too_large(job.directory.result, error.size, error.limit))
    return _opened(job, file)


def fetch_outcomes(jobs: Sequence[Job[Any]], patience: float | None = None) -> list[Outcome]:
    """The outcomes of finished jobs of one cluster, their result files read together. As `fetch_outcome`."""
    found = {job: job.outcome for job in jobs if job.outcome is not None}
    unknown = [job for job in jobs if job not in found]
    if unknown:
        with unknown[0].cluster.listener.fetching(unknown) as progress:
            found.update(_read_together(unknown, patience, progress))
    return [found[job] for job in jobs]


def _read_together(
    jobs: Sequence[Job[Any]], patience: float | None, progress: Progress | None
) -> dict[Job[Any], Outcome]:
    pushed = ((job, _pushed(job)) for job in jobs)
    found = {job: keep(job, outcome) for job, outcome in pushed if outcome is not None}
    left = [job for job in jobs if job not in found]
    paths = [job.directory.result for job in left]
    files = jobs[0].cluster.site.backend.open_files(paths, progress=progress)
    with contextlib.suppress(errors.FileTooLarge):  # each by itself from there on
        for job, file in zip(left, files):
            if file is not None:
                found[job] = keep(job, _opened(job, file))
    for job in jobs:
        if job not in found:
            found[job] = keep(job, fetch_outcome(job, patience, progress))
    return found


def keep(job: Job[Any], outcome: Outcome) -> Outcome:
    """Have the job remember its outcome, if that is for good."""
    if outcome.lasts:
        job.outcome = outcome
    return outcome


def _pushed(job: Job[Any]) -> Outcome | None:
    """The outcome that came with the news of the job's end, once."""
    content = job.cluster.tracker.pushed.take(job.token)
    return None if content is None else _opened(job, io.BytesIO(content))


def _opened(job: Job[Any], file: BinaryIO) -> Outcome:
    with file:
        try:
            envelope = load_envelope(file, path=job.directory.result)
            value = open_envelope(envelope, job_id=job.id, job_dir=job.job_dir)
        except Exception as error:  # noqa: BLE001 - the task's own exception, kept and raised
            return _failed(job, error)
    body = envelope.body
    return Outcome(value, place=(body.offset, body.length) if isinstance(body, Part) else None)


def _failed(job: Job[Any], error: Exception) -> Outcome:
    if isinstance(error, errors.JobError) and not error.job_id:
        error.job_id, error.job_dir = job.id, job.job_dir
    here = not isinstance(error.__cause__, errors.RemoteTraceback)
    return Outcome(error=error, lasts=not (here and isinstance(error, errors.ResultTooLarge)))


def _open_result(job: Job[Any], seconds: float, progress: Progress | None) -> BinaryIO:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return job.cluster.site.backend.open_file(job.directory.result, progress=progress)
        except errors.RemoteFileMissing:
            if time.monotonic() >= deadline:
                raise
            time.sleep(RESULT_RETRY)
