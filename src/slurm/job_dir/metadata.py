"""``metadata.json`` and ``array_metadata.json``: what a job notes of itself, and what an element takes over."""

from __future__ import annotations

import json
import posixpath
import time
from collections.abc import Mapping, Sequence
from typing import Any

from slurm.job_dir.paths import JobDirectory

METADATA_SCHEMA = 1
# In array_metadata.json of an older SDK: how items ended that could not say so in files of their own.
ENDED = "ended"
ONLY_OF_ARRAYS = ("job_id", "count", "pack", "max_array_size", "max_concurrent", ENDED)


def piece_key(piece: int) -> str:
    """The key in ``array_metadata.json`` for the job id of one of an array's submissions."""
    return f"job_id_{piece}" if piece else "job_id"


def initial_metadata(
    *,
    directory: JobDirectory,
    task_name: str,
    token: str,
    is_workflow: bool,
    parent_workflow: str | None,
    dependencies: Sequence[Mapping[str, str]],
    versions: tuple[str, str],
    at: str,
    **more: Any,
) -> bytes:
    """``metadata.json`` as it stands before the job has an id; the agent and the runner add theirs.

    `versions` are those of the SDK and of the client's Python; `at` is the moment, as RFC 3339; `more` is what arrays have beside.
    """
    content: Mapping[str, Any] = {
        "schema_version": METADATA_SCHEMA,
        "job_id": None,
        "pre_submission_id": posixpath.basename(directory.path),
        "task_name": task_name,
        "timestamp": at,
        "status": "submitted",
        "is_workflow": is_workflow,
        "parent_workflow": parent_workflow,
        "token": token,
        "dependencies": list(dependencies),
        "sdk_version": versions[0],
        "client_python": versions[1],
        "attempt": 0,
        **more,
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def element_metadata(array: Mapping[str, Any]) -> dict[str, Any]:
    """What an item's ``metadata.json`` takes over from ``array_metadata.json``."""
    return {
        key: value
        for key, value in array.items()
        if key not in ONLY_OF_ARRAYS and not key.startswith("job_id_")
    }


def utc_now() -> str:
    """This moment in UTC, as RFC 3339."""
    return rfc3339(time.time())


def rfc3339(epoch: float) -> str:
    """A time in seconds since 1970, in UTC.

    >>> rfc3339(0)
    '1970-01-01T00:00:00.000000+00:00'
    """
    seconds, microseconds = divmod(round(epoch * 1_000_000), 1_000_000)
    return time.strftime(f"%Y-%m-%dT%H:%M:%S.{microseconds:06}+00:00", time.gmtime(seconds))
