"""What jobs have noted of themselves: in their metadata files, or as items of a packed array in its record files."""

from __future__ import annotations

from typing import Any

from slurm.agent.json_files import parse_object
from slurm.errors import RemoteFileMissing
from slurm.tracking.record import JobRecord, is_packed
from slurm.tracking.task_records import known_tasks


def metadata_of(record: JobRecord) -> dict[str, Any]:
    """What a job has noted of itself. Raises `RemoteFileMissing` where it has not begun, ``ValueError`` for what is damaged."""
    backend, element = record.site.backend, record.element
    if element is not None and is_packed(record):
        try:
            with known_tasks(backend).reading(element.array, record.id) as task:
                found = task.metadata(backend, element.index)
        except RemoteFileMissing:  # an older SDK ran it
            found = None
        if found is not None:
            return found
    return parse_object(backend.read_file(record.directory.metadata))
