"""The job directory: the one place that knows which file is called what.

::

    {job_base_dir}/{task_name}/{YYYYMMDD_HHMMSS}_{8 hex}/
        job.sh  payload.pkl  script.py  module.py  slurm_<jobid>.out  slurm_<jobid>.err  result.pkl  metadata.json
        .slurm_environment.json  shared/  tasks/<task>/<ts>_<id>/        of a workflow
    {job_base_dir}/.sdk/<content address>/      the SDK's own code, unpacked once
    {job_base_dir}/.events/<client>/            finished runners leave an empty file here
    {job_base_dir}/.receipts/<token>.json       which submission became which job
    {job_base_dir}/.receipts/job-<id>.json      and which directory is that job's

Pure: paths are text, since they are the cluster's and may not exist on this machine.
"""

from __future__ import annotations

import datetime
import json
import os
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

METADATA_SCHEMA = 1

JOB_SCRIPT = "job.sh"
PAYLOAD = "payload.pkl"
USER_SCRIPT = "script.py"
USER_MODULE = "module.py"
RESULT = "result.pkl"
METADATA = "metadata.json"
ENVIRONMENT = ".slurm_environment.json"
SHARED = "shared"
TASKS = "tasks"
SDK = ".sdk"
EVENTS = ".events"
RECEIPTS = ".receipts"


def sanitise(name: str) -> str:
    """A task name as one path component: lowercase, every character outside ``[a-z0-9_]`` an underscore.

    >>> sanitise("Train Model!")
    'train_model_'
    >>> sanitise("../../etc")
    '______etc'
    """
    return re.sub(r"[^a-z0-9_]", "_", name.lower())[:100] or "_"


@dataclass(frozen=True)
class JobDirectory:
    """The paths inside one job's directory."""

    path: str

    @classmethod
    def fresh(cls, base: str, task_name: str, now: datetime.datetime | None = None) -> JobDirectory:
        """A directory nobody has used, under ``base/task_name``; nothing is created."""
        stamp = (now or datetime.datetime.now().astimezone()).strftime("%Y%m%d_%H%M%S")
        name = f"{stamp}_{os.urandom(4).hex()}"
        return cls(posixpath.join(base, sanitise(task_name), name))

    @property
    def script(self) -> str:
        return posixpath.join(self.path, JOB_SCRIPT)

    @property
    def payload(self) -> str:
        return posixpath.join(self.path, PAYLOAD)

    @property
    def result(self) -> str:
        return posixpath.join(self.path, RESULT)

    @property
    def metadata(self) -> str:
        return posixpath.join(self.path, METADATA)

    @property
    def environment(self) -> str:
        return posixpath.join(self.path, ENVIRONMENT)

    @property
    def shared(self) -> str:
        return posixpath.join(self.path, SHARED)

    @property
    def tasks(self) -> str:
        return posixpath.join(self.path, TASKS)

    def stdout(self, job_id: str = "%j") -> str:
        """Where the job's stdout goes; the default is Slurm's pattern for the job id."""
        return posixpath.join(self.path, f"slurm_{job_id}.out")

    def stderr(self, job_id: str = "%j") -> str:
        """Where the job's stderr goes; the default is Slurm's pattern for the job id."""
        return posixpath.join(self.path, f"slurm_{job_id}.err")


def event_directory(base: str, client: str) -> str:
    """Where runners tell `client` that they have finished."""
    return posixpath.join(base, EVENTS, client)


def receipt_of_job(base: str, job_id: str) -> str:
    """The file that says which directory is the job's."""
    return posixpath.join(base, RECEIPTS, f"job-{job_id}.json")


def event_name(token: str, attempt: int, success: bool) -> str:
    """The name of the empty file a finished runner leaves."""
    return f"{token}.{attempt}.{'ok' if success else 'error'}"


def parse_event(name: str) -> tuple[str, bool] | None:
    """``(token, success)`` of an event file's name; None for a file that is no event."""
    parts = name.split(".")
    if len(parts) != 3 or parts[2] not in ("ok", "error"):
        return None
    return parts[0], parts[2] == "ok"


def initial_metadata(
    *,
    directory: JobDirectory,
    task_name: str,
    token: str,
    is_workflow: bool,
    parent_workflow: str | None,
    sdk_version: str,
    client_python: str,
) -> bytes:
    """``metadata.json`` as it stands before the job has an id; the agent and the runner add theirs."""
    content: Mapping[str, Any] = {
        "schema_version": METADATA_SCHEMA,
        "job_id": None,
        "pre_submission_id": posixpath.basename(directory.path),
        "task_name": task_name,
        "timestamp": utc_now(),
        "status": "submitted",
        "is_workflow": is_workflow,
        "parent_workflow": parent_workflow,
        "token": token,
        "sdk_version": sdk_version,
        "client_python": client_python,
        "attempt": 0,
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def utc_now() -> str:
    """This moment in UTC, as RFC 3339."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
