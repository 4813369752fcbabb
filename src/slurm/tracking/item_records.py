"""What the record files of packed arrays say of jobs that are items of them, for many in one round trip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slurm.agent.record_frames import frames_of
from slurm.errors import RemoteFileMissing
from slurm.job_dir.item_records import ItemRecord, Records
from slurm.job_dir.paths import ArrayDirectory
from slurm.tracking.record import JobRecord

if TYPE_CHECKING:
    from slurm.api.base import BackendBase


class ItemRecords:
    """What these jobs, all of them packed items, have left; `read` says it one by one.

    After that, `without` has those whose arrays have no record files, for an older SDK ran them: their results are in
    directories of their own.
    """

    def __init__(self, backend: BackendBase, records: Iterable[JobRecord]) -> None:
        self._backend = backend
        self._of_array: dict[ArrayDirectory, dict[int, list[JobRecord]]] = {}
        self._shared: dict[tuple[ArrayDirectory, str], Mapping[str, Any]] = {}
        self.without: list[JobRecord] = []
        for record in records:
            element = record.element
            assert element is not None  # noqa: S101 - tells type checkers
            self._of_array.setdefault(element.array, {}).setdefault(element.index, []).append(
                record
            )

    def read(self, *, bodies: bool = True) -> Iterator[tuple[JobRecord, ItemRecord]]:
        """Each job that has left something, once, with what that is. Raises `TransportError`, and `RemoteFileError`."""
        for array, wanted in self._of_array.items():
            try:
                yield from self._in(array, wanted, bodies)
            except RemoteFileMissing:
                self.without += [record for records in wanted.values() for record in records]

    def _in(
        self, array: ArrayDirectory, wanted: Mapping[int, Sequence[JobRecord]], bodies: bool
    ) -> Iterator[tuple[JobRecord, ItemRecord]]:
        jobs = {record.id for records in wanted.values() for record in records}
        known, left = Records(), dict(wanted)
        for part in self._backend.read_records(
            array.records, jobs=jobs, items=list(wanted), bodies=bodies
        ):
            for one in known.of(part.name, frames_of(part.frames)):
                for record in left.pop(one.item, ()):
                    yield record, one
            shared = known.shared.get(part.name, {})
            self._shared[array, str(shared.get("job_id"))] = shared

    def begun(self, record: JobRecord) -> Mapping[str, Any]:
        """What the items of a job share in its latest attempt; nothing before that has begun."""
        assert record.element is not None  # noqa: S101 - tells type checkers
        return self._shared.get((record.element.array, record.id), {})
