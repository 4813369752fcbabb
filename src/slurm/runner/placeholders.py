"""Jobs among the arguments: what their results are, read from their directories."""

from __future__ import annotations

import errno
import os
import time
from typing import Any, BinaryIO

from slurm.agent.regular_files import open_regular
from slurm.errors import DependencyFailed, ResultCorrupted, ResultMissing
from slurm.job_dir.item_records import ItemRecord
from slurm.job_dir.paths import (
    RESULT_GRACE,
    RESULT_GRACE_VARIABLE,
    ArrayDirectory,
    JobDirectory,
    array_of,
)
from slurm.job_dir.placeholder import JobResultPlaceholder
from slurm.job_dir.record_index import RecordIndex
from slurm.job_dir.result import Envelope, load_envelope, open_envelope

RETRY = 0.2  # seconds


def result_of(placeholder: JobResultPlaceholder) -> Any:
    """What a placeholder stands for: the result of a job, or those of a whole array."""
    if placeholder.count is None:
        return result_of_job(placeholder)
    from slurm.sbatch.array_layout import ArrayLayout

    array, layout = ArrayDirectory(placeholder.job_dir), ArrayLayout(placeholder.count)
    names = [layout.name(item) for item in range(placeholder.count)]
    return [
        result_of_job(JobResultPlaceholder(f"{placeholder.job_id}[{n}]", array.element(name).path))
        for n, name in enumerate(names)
    ]


def result_of_job(placeholder: JobResultPlaceholder) -> Any:
    """The result of the job a placeholder stands for. Raises `DependencyFailed` when it raised."""
    path = JobDirectory(placeholder.job_dir).result
    grace = float(os.environ.get(RESULT_GRACE_VARIABLE, RESULT_GRACE))
    index = _index_of(placeholder.job_dir)
    try:
        if index is not None:
            record = _record_within(grace, index, int(os.path.basename(placeholder.job_dir)), path)
            if record is not None and record.has_result:
                return _opened(record.envelope(), placeholder)
        file = _open_within(grace, path)
    except FileNotFoundError as error:
        path = error.filename
        raise ResultMissing(
            f"an argument is the result of job {placeholder.job_id}, and {path} is not there, nor was it within "
            f"{grace:g} s: where files appear later than that, raise the cluster's result_grace",
            job_id=placeholder.job_id,
            job_dir=placeholder.job_dir,
        ) from None
    except OSError as error:
        raise ResultCorrupted(
            f"an argument is the result of job {placeholder.job_id}: {error.strerror}: {path}",
            job_id=placeholder.job_id,
            job_dir=placeholder.job_dir,
        ) from error
    with file:
        return _opened(load_envelope(file, path=path), placeholder)


def _index_of(job_dir: str) -> RecordIndex | None:
    """The records among which that of a job is which would have this directory; None where it has a result file."""
    array = array_of(job_dir)
    if array is None:
        return None
    if array.path not in _indices:
        index = RecordIndex(array)
        _indices[array.path] = index if index.exists else None
    return _indices[array.path]


_indices: dict[
    str, RecordIndex | None
] = {}  # by the directories of arrays: an argument may have many of their items


def _record_within(seconds: float, index: RecordIndex, item: int, result: str) -> ItemRecord | None:
    """The item's record, which may not be visible yet; None where it has a result file alone. Raises FileNotFoundError."""
    deadline = time.monotonic() + seconds
    while True:
        record = index.find(item)
        if record is not None or os.path.exists(result):
            return record
        if time.monotonic() >= deadline:
            name = f"the record of item {item} in {index.folder}"
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        time.sleep(RETRY)


def _open_within(seconds: float, path: str) -> BinaryIO:
    """The file, which another node has written and may not be visible on this one yet. Raises FileNotFoundError."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            file: BinaryIO = open_regular(path)
            return file
        except FileNotFoundError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(RETRY)


def _opened(envelope: Envelope, placeholder: JobResultPlaceholder) -> Any:
    place = {"job_id": placeholder.job_id, "job_dir": placeholder.job_dir}
    try:
        return open_envelope(envelope, **place)
    except Exception as error:
        if envelope.kind != "exception":
            raise
        raise DependencyFailed(
            f"an argument is the result of job {placeholder.job_id}, which raised "
            f"{envelope.type_name.removeprefix('builtins.')}: {envelope.message}. "
            f"Its files: {placeholder.job_dir}",
            **place,
            root_job_id=placeholder.job_id,
            root_job_dir=placeholder.job_dir,
            root_type_name=envelope.type_name.removeprefix("builtins."),
            root_message=envelope.message,
        ) from error.with_traceback(None)
