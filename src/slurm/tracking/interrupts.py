"""What an interrupted wait does to the jobs it waits for: nothing, unless their cluster says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from slurm.tracking.record import JobOperations, JobRecord


class InterruptibleWait:
    """``with InterruptibleWait(records):`` has a ``KeyboardInterrupt`` inside cancel those that have not ended.

    Only on clusters with ``cancel_on_interrupt``. The interrupt goes on in any case.
    """

    def __init__(self, records: Sequence[JobRecord]) -> None:
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
