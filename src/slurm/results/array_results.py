"""What the items of an array have come to, read together."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from slurm.errors import SlurmError
from slurm.job_dir.paths import ArrayDirectory
from slurm.job_dir.result import Outcome
from slurm.results.aggregation import write_aggregated
from slurm.tracking.record import JobRecord, watched_no_more


class ArrayResults:
    """The results of an array's jobs, whose files are in `directory`; an exception says which item raised it."""

    def __init__(self, records: Sequence[JobRecord], directory: ArrayDirectory) -> None:
        self._records = records
        self._directory = directory
        self._aggregated = False

    def values(self, timeout: float | None, *, return_exceptions: bool) -> list[Any]:
        """Those of items that have all ended, in their order.

        Raises the exception of the first that has one; with `return_exceptions` it stands in its place. When all
        are values they are put into one file as well, once.
        """
        records = list(self._records)  # which are made when they are asked for
        outcomes = self._fetched(records, timeout)
        error = self._first_error(outcomes)
        if error is not None and not return_exceptions:
            raise error
        if error is None and records and not self._aggregated:
            backend = records[0].site.backend
            write_aggregated(backend, self._directory, zip(records, outcomes))
            self._aggregated = True
        return [one.value if one.error is None else one.error for one in outcomes]

    def error(self, timeout: float | None) -> BaseException | None:
        """The exception of the first item that has one, once all have ended; None for none."""
        return self._first_error(self._fetched(list(self._records), timeout))

    def first_failure(self, timeout: float | None) -> BaseException:
        """The exception of the first item of those that have failed by now.

        Raises `SlurmError` where none has: nobody watches them any more."""
        failed = (n for n, one in enumerate(self._records) if one.finished and not one.successful)
        index = next(failed, None)
        if index is None:  # the wait ended, for the cluster was closed
            raise watched_no_more(next(one for one in self._records if not one.finished))
        [outcome] = self._fetched([self._records[index]], timeout)
        return self._named(index, outcome)

    def _fetched(self, records: Sequence[JobRecord], timeout: float | None) -> list[Outcome]:
        return records[0].operations.fetch_all(records, timeout) if records else []

    def _first_error(self, outcomes: Sequence[Outcome]) -> BaseException | None:
        failed = (index for index, outcome in enumerate(outcomes) if outcome.error is not None)
        index = next(failed, None)
        return None if index is None else self._named(index, outcomes[index])

    def _named(self, index: int, outcome: Outcome) -> BaseException:
        return _error_of_item(self._records[index], outcome, index, len(self._records))


def _error_of_item(record: JobRecord, outcome: Outcome, index: int, count: int) -> BaseException:
    """The exception of an item of an array, which is the user's; a note on it says which item raised it."""
    job_id, state = record.id, record.status.state
    error = outcome.error or SlurmError(f"job {job_id} is {state}, yet has a result")
    note = f"raised by item {index} of {count} (job {job_id})"
    with contextlib.suppress(AttributeError, TypeError):  # the class may allow no attributes
        if note not in getattr(error, "__notes__", ()):
            error.__notes__ = [*getattr(error, "__notes__", ()), note]  # type: ignore[attr-defined]
        error.array_index = index  # type: ignore[attr-defined]
    return error
