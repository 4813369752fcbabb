"""Reading what became of a finished job: its value, its task's exception, or why there is neither."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from slurm import errors
from slurm.job_dir.result import load_envelope, open_envelope, too_large
from slurm.job_dir.result_file import Part
from slurm.tracking.record import JobRecord, Outcome

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.api.requests import Progress
    from slurm.tracking.accounting import Accounting
    from slurm.tracking.listener import Listener
    from slurm.tracking.pushed_results import PushedResults

# A result file may become visible on this machine after the scheduler says that the job is done
# (NFS attribute caches live for up to a minute by default; most sites' are far shorter).
RESULT_GRACE = 10.0
RESULT_RETRY = 0.2


class Outcomes:
    """Reads the outcomes of one cluster's jobs, which their records keep.

    A small result may have come with the news of its job's end; what a job used is on record of failed ones.
    """

    def __init__(
        self,
        backend: BackendBase,
        pushed: PushedResults,
        accounting: Accounting,
        listener: Listener,
    ) -> None:
        self._backend = backend
        self._pushed = pushed
        self._accounting = accounting
        self._listener = listener

    def of(self, record: JobRecord, patience: float | None = None) -> Outcome:
        """See `JobOperations.fetch`."""
        if record.outcome is not None:
            return record.outcome
        with self._listener.fetching([record]) as progress:
            return record.keep(self._read(record, patience, progress))

    def of_all(self, records: Sequence[JobRecord], patience: float | None = None) -> list[Outcome]:
        """See `JobOperations.fetch_all`."""
        found = {one: one.outcome for one in records if one.outcome is not None}
        unknown = [one for one in records if one not in found]
        if unknown:
            with self._listener.fetching(unknown) as progress:
                found.update(self._read_together(unknown, patience, progress))
        return [found[one] for one in records]

    def _read_together(
        self, records: Sequence[JobRecord], patience: float | None, progress: Progress | None
    ) -> dict[JobRecord, Outcome]:
        pushed = ((one, self._that_was_pushed(one)) for one in records)
        found = {one: one.keep(outcome) for one, outcome in pushed if outcome is not None}
        left = [one for one in records if one not in found]
        paths = [one.directory.result for one in left]
        files = self._backend.open_files(paths, progress=progress)
        with contextlib.suppress(errors.FileTooLarge):  # each by itself from there on
            for one, file in zip(left, files):
                if file is not None:
                    found[one] = one.keep(_opened(one, file))
        for one in records:
            if one not in found:
                found[one] = one.keep(self._read(one, patience, progress))
        return found

    def _read(
        self, record: JobRecord, patience: float | None, progress: Progress | None
    ) -> Outcome:
        pushed = self._that_was_pushed(record)
        if pushed is not None:
            return pushed
        grace = RESULT_GRACE if record.successful else 0.0
        waited = grace if patience is None else min(grace, patience)
        try:
            file = self._open_result(record, waited, progress)
        except errors.RemoteFileMissing:
            if waited < grace:
                raise TimeoutError(
                    f"the result of job {record.id} is not visible here yet"
                ) from None
            from slurm.results.failures import failure_of  # late: most jobs end well

            return Outcome(error=failure_of(record, self._accounting, patience))
        except errors.FileTooLarge as error:
            return _failed(record, too_large(record.directory.result, error.size, error.limit))
        return _opened(record, file)

    def _that_was_pushed(self, record: JobRecord) -> Outcome | None:
        """The outcome that came with the news of the job's end, once."""
        content = self._pushed.take(record.token)
        return None if content is None else _opened(record, io.BytesIO(content))

    def _open_result(
        self, record: JobRecord, seconds: float, progress: Progress | None
    ) -> BinaryIO:
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self._backend.open_file(record.directory.result, progress=progress)
            except errors.RemoteFileMissing:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(RESULT_RETRY)


def _opened(record: JobRecord, file: BinaryIO) -> Outcome:
    with file:
        try:
            envelope = load_envelope(file, path=record.directory.result)
            value = open_envelope(envelope, job_id=record.id, job_dir=record.job_dir)
        except Exception as error:  # noqa: BLE001 - the task's own exception, kept and raised
            return _failed(record, error)
    body = envelope.body
    return Outcome(value, place=(body.offset, body.length) if isinstance(body, Part) else None)


def _failed(record: JobRecord, error: Exception) -> Outcome:
    if isinstance(error, errors.JobError) and not error.job_id:
        error.job_id, error.job_dir = record.id, record.job_dir
    here = not isinstance(error.__cause__, errors.RemoteTraceback)
    return Outcome(error=error, lasts=not (here and isinstance(error, errors.ResultTooLarge)))
