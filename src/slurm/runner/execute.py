"""One job, from its payload to its result file."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

from slurm.api.agent import update_json, write_atomic
from slurm.errors import DependencyFailed, RemoteError, ResultMissing
from slurm.job_dir import JobDirectory, event_name, utc_now
from slurm.runner.functions import load_function, restore_imports
from slurm.runner.injection import Injection
from slurm.serialization import (
    Envelope,
    JobResultPlaceholder,
    Payload,
    dump_envelope,
    exception_envelope,
    load_arguments,
    load_envelope,
    load_payload,
    open_envelope,
    value_envelope,
)


def run_job(path: str) -> int:
    """Run the job in the directory `path`; 0 when its function returned, 1 when it raised."""
    directory = JobDirectory(path)
    attempt = int(os.environ.get("SLURM_RESTART_COUNT", "0")) + 1
    update_json(
        directory.metadata,
        {
            "status": "running",
            "job_id": os.environ.get("SLURM_JOB_ID"),
            "attempt": attempt,
            "started_at": utc_now(),
            "node": os.environ.get("SLURMD_NODENAME"),
            "python_version": sys.version.split()[0],
        },
    )
    process = os.getpid()
    envelope = _call(directory, attempt)
    if os.getpid() != process:
        os._exit(1)  # a child that the function forked came back from it: the job is its parent's
    _log(envelope)
    success = envelope.kind == "value"
    write_atomic(directory.result, dump_envelope(envelope))
    # The result is there: whatever fails from here on must not make it a failure for dependents.
    try:
        status = "completed" if success else "failed"
        update_json(directory.metadata, {"status": status, "completed_at": utc_now()})
        _tell_the_client(attempt, success)
    except (OSError, ValueError) as error:
        _say(f"slurm-sdk: the result is written, its note is not: {error}")
    return 0 if success else 1


def _call(directory: JobDirectory, attempt: int) -> Envelope:
    try:
        with open(directory.payload, "rb") as file:
            payload = load_payload(file.read())
        value = _run_function(payload, directory)
    except SystemExit as leaving:
        if leaving.code not in (None, 0):
            text = f"the task called sys.exit({leaving.code!r})"
            return exception_envelope(RemoteError(text, type_name="SystemExit"), attempt)
        value = None
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises is the result
        return exception_envelope(error, attempt)
    return value_envelope(value, attempt)


def _log(envelope: Envelope) -> None:
    """Put an exception into the job's stderr, where people look first."""
    if envelope.kind == "exception":
        _say(envelope.traceback)


def _say(text: str) -> None:
    # The task may have closed stderr, or put something else in its place.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(text, file=sys.stderr, flush=True)


def _run_function(payload: Payload, directory: JobDirectory) -> Any:
    restore_imports(payload, directory)
    function: Callable[..., Any] = load_function(payload.function, directory)
    args, kwargs = load_arguments(payload.arguments, result_of_job)
    with Injection(function, payload.children, directory) as injection:
        return injection.call(args, kwargs)


def result_of_job(placeholder: JobResultPlaceholder) -> Any:
    """The result of the job a placeholder stands for. Raises `DependencyFailed` when it raised."""
    path = JobDirectory(placeholder.job_dir).result
    try:
        with open(path, "rb") as file:
            envelope = load_envelope(file.read(), path=path)
    except FileNotFoundError:
        raise ResultMissing(
            f"an argument is the result of job {placeholder.job_id}, and {path} is not there",
            job_id=placeholder.job_id,
            job_dir=placeholder.job_dir,
        ) from None
    if envelope.kind == "exception":
        raise DependencyFailed(
            f"an argument is the result of job {placeholder.job_id}, which raised "
            f"{envelope.type_name}: {envelope.message}",
            job_id=placeholder.job_id,
            job_dir=placeholder.job_dir,
        )
    return open_envelope(envelope, job_id=placeholder.job_id, job_dir=placeholder.job_dir)


def _tell_the_client(attempt: int, success: bool) -> None:
    """Leave an empty file where the client listens; a client that is gone has no such directory."""
    folder = os.environ.get("SLURM_SDK_EVENT_DIR", "")
    token = os.environ.get("SLURM_SDK_TOKEN", "")
    if token and os.path.isdir(folder):
        with open(os.path.join(folder, event_name(token, attempt, success)), "wb"):
            pass
