"""Ctrl-C in a wait: the jobs that are waited for are handed to their cluster, which may cancel them."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType

from slurm.tracking.record import JobOperations, JobRecord


class InterruptibleWait:
    """``with InterruptibleWait(records):`` tells the cluster of those that have not ended of a ``KeyboardInterrupt``.

    `slurm.results.job_operations` cancels them there if the cluster has ``cancel_on_interrupt``. The
    interrupt goes on in any case.
    """

    def __init__(self, records: Iterable[JobRecord]) -> None:
        self.records = records

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None or not issubclass(kind, KeyboardInterrupt):
            return
        live: dict[JobOperations, list[JobRecord]] = {}
        for record in self.records:
            if not record.finished:
                live.setdefault(record.operations, []).append(record)
        for operations, records in live.items():
            operations.interrupted(records)
