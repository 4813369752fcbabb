"""Reading what became of a finished job: its value, its task's exception, or why there is neither."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

from slurm import errors
from slurm.job_dir.result import Outcome, outcome_in, outcome_of, too_large
from slurm.tracking.record import JobRecord, is_packed

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.api.requests import Progress
    from slurm.api.site import Site
    from slurm.job_dir.item_records import ItemRecord
    from slurm.results.root_cause import Root
    from slurm.tracking.accounting import Accounting
    from slurm.tracking.listener import Listener
    from slurm.tracking.pushed_results import PushedResults
    from slurm.tracking.task_records import TaskRecords

RESULT_RETRY = 0.2


class Outcomes:
    """Reads the outcomes of one cluster's jobs, which their records keep.

    A small result may have come with the news of its job's end; what a job used is on record of failed ones.
    """

    def __init__(
        self,
        site: Site,
        pushed: PushedResults,
        accounting: Accounting,
        listener: Listener,
    ) -> None:
        self._backend = site.backend
        self.grace: float = site.result_grace
        self._pushed = pushed
        self._accounting = accounting
        self._listener = listener
        self._roots: dict[str, Root] = {}  # of jobs that never started, by their tokens

    def of(self, record: JobRecord, timeout: float | None = None) -> Outcome:
        """See `JobOperations.fetch`."""
        if record.outcome is not None:
            return record.outcome
        with self._listener.fetching([record]) as progress:
            return record.keep(self._read(record, timeout, progress))

    def of_all(self, records: Sequence[JobRecord], timeout: float | None = None) -> list[Outcome]:
        """See `JobOperations.fetch_all`."""
        found = {one: one.outcome for one in records if one.outcome is not None}
        unknown = [one for one in records if one not in found]
        if unknown:
            with self._listener.fetching(unknown) as progress:
                found.update(self._read_together(unknown, timeout, progress))
        return [found[one] for one in records]

    def _read_together(
        self, records: Sequence[JobRecord], timeout: float | None, progress: Progress | None
    ) -> dict[JobRecord, Outcome]:
        pushed = ((one, self._that_was_pushed(one)) for one in records)
        found = {one: one.keep(outcome) for one, outcome in pushed if outcome is not None}
        packed = [one for one in records if is_packed(one) and one not in found]
        if packed:
            from slurm.tracking.item_records import ItemRecords  # late: many programs pack nothing

            for one, item in ItemRecords(self._backend, packed).read():
                if item.has_result:
                    found[one] = one.keep(_of_item(item, one))
        left = [one for one in records if one not in found]
        paths = [one.directory.result for one in left]
        files = self._backend.open_files(paths, progress=progress) if paths else ()
        without: set[JobRecord] = set()
        with contextlib.suppress(errors.FileTooLarge):  # each by itself from there on
            for one, file in zip(left, files):
                if file is not None:
                    found[one] = one.keep(_in(file, one))
                elif not _has_result(one):
                    without.add(one)
        failed = [one for one in records if one in without]
        for one, outcome in zip(failed, self._failures(failed, timeout)):
            found[one] = one.keep(outcome)
        for one in records:
            if one not in found:
                found[one] = one.keep(self._read(one, timeout, progress))
        return found

    def _read(self, record: JobRecord, timeout: float | None, progress: Progress | None) -> Outcome:
        pushed = self._that_was_pushed(record)
        if pushed is not None:
            return pushed
        grace = self.grace if _has_result(record) else 0.0
        waited = grace if timeout is None else min(grace, timeout)
        try:
            return self._look(record, waited, progress)
        except errors.RemoteFileMissing:
            if waited < grace:
                raise TimeoutError(
                    f"the result of job {record.id} is not visible here yet"
                ) from None
            [outcome] = self._failures([record], timeout)
            return outcome
        except errors.FileTooLarge as error:
            where = {"job_id": record.id, "job_dir": record.job_dir}
            told = too_large(record.directory.result, error.size, error.limit, **where)
            return Outcome(error=told, lasts=False)

    def _failures(self, records: Sequence[JobRecord], timeout: float | None) -> Iterator[Outcome]:
        if not records:
            return
        from slurm.results.failures import failures_of  # late: most jobs end well

        for error in failures_of(records, self._accounting, timeout, self._roots):
            yield Outcome(error=error)

    def _that_was_pushed(self, record: JobRecord) -> Outcome | None:
        """The outcome that came with the news of the job's end, once."""
        result = self._pushed.take(record.token)
        if result is None:
            return None
        if isinstance(result, bytes):
            return _in(io.BytesIO(result), record)
        return _of_item(result, record)

    def _look(self, record: JobRecord, seconds: float, progress: Progress | None) -> Outcome:
        """The outcome by what the job has left; that may be late. Raises `RemoteFileMissing` where there is nothing."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if is_packed(record):
                    outcome = self._by_its_record(record)
                    if outcome is not None:
                        return outcome
                path = record.directory.result
                return _in(self._backend.open_file(path, progress=progress), record)
            except errors.RemoteFileMissing:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(RESULT_RETRY)

    def _by_its_record(self, record: JobRecord) -> Outcome | None:
        """The outcome in the job's record; those of items beside it are kept, for they may be asked for next."""
        from slurm.tracking.task_records import known_tasks  # late: many programs pack nothing

        element, batch = record.element, record.token.rpartition("_")[0]
        assert element is not None  # noqa: S101 - tells type checkers
        with known_tasks(self._backend).reading(element.array, record.id) as task:
            known = self._that_was_pushed(record)  # which another thread has read meanwhile
            if known is not None:
                return known
            found: dict[int, ItemRecord] = {}
            for one in _results(task, self._backend, element.index):
                found.setdefault(one.item, one)
            own = found.pop(element.index, None)
            for item, one in found.items():
                if one.has_result:
                    self._pushed.put(f"{batch}_{item}", one)
        return _of_item(own, record) if own is not None and own.has_result else None


def _has_result(record: JobRecord) -> bool:
    """Whether the job has left one, visible here or not yet."""
    return record.successful or record.status.has_result


def _results(task: TaskRecords, backend: BackendBase, index: int) -> Sequence[ItemRecord]:
    """What an item and some beside it have left in records; nothing where there are none, for an older SDK ran it."""
    try:
        return task.results(backend, index)
    except errors.RemoteFileMissing:
        return ()


def _in(file: BinaryIO, record: JobRecord) -> Outcome:
    return outcome_in(file, record.directory.result, job_id=record.id, job_dir=record.job_dir)


def _of_item(item: ItemRecord, record: JobRecord) -> Outcome:
    assert record.element is not None  # noqa: S101 - tells type checkers
    outcome = outcome_of(item.envelope, job_id=record.id, job_dir=record.job_dir)
    if outcome.error is not None:
        return outcome
    return outcome._replace(place=(f"{record.element.array.records}/{item.file}", *item.place))
