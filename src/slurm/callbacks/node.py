"""The callbacks of one job, on its node. Standard library only."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from slurm.agent.json_files import read_json_if_whole
from slurm.job_dir.metadata import rfc3339
from slurm.job_dir.paths import JobDirectory, array_of
from slurm.node.job_id import own_job_id

if TYPE_CHECKING:
    from slurm.callbacks.base import BaseCallback
    from slurm.callbacks.contexts import CallbackContext
    from slurm.job_dir.result import Envelope


class NodeCallbacks:
    """Calls a job's callbacks, in its process and main thread, which is where its function runs.

    `loaded` are those that have arrived; `called_at` is when the function was called, in seconds since the epoch, None before.
    A job that runs several items of an array begins and ends once for each, and closes when it exits.
    """

    def __init__(self) -> None:
        self.loaded: list[BaseCallback] = []
        self.called_at: float | None = None
        self._packed: Sequence[tuple[str, bytes]] | None = None

    def load(self, packed: Sequence[tuple[str, bytes]], python: str = "") -> None:
        """Unpickle what Python `python` pickled, once. What cannot be is said in the job's stderr, and left out."""
        if self._packed is not None or not packed:
            return
        from slurm.callbacks.travel import unpack_all

        self._packed = packed
        self.loaded += unpack_all(packed, python)
        atexit.register(self._close, os.getpid())

    def begin(self, directory: JobDirectory) -> None:
        """The function is about to be called."""
        if self.loaded:
            from slurm.callbacks.contexts import RunBeginContext

            self._tell("on_begin_run_job_ctx", RunBeginContext(**_about(directory)))
        self.called_at = time.time()

    def end(self, directory: JobDirectory, envelope: Envelope) -> None:
        """The function has ended, and `envelope` is written. Begins first if that was not reached."""
        if self.called_at is None:
            self.begin(directory)
        self.called_at = None
        if not self.loaded:
            return
        from slurm.callbacks.contexts import CompletedContext, RunEndContext
        from slurm.states import JobState

        about, error = _about(directory), _error_in(envelope)
        state = JobState.COMPLETED if error is None else JobState.FAILED
        completed = CompletedContext(**about, state=state, error=error)
        completed = completed.with_metadata(_metadata(directory))
        ended = RunEndContext(
            **about, error=error, started_at=completed.started_at, duration=completed.duration
        )
        self._tell("on_end_run_job_ctx", ended)
        self._tell("on_completed_ctx", completed)

    def leave(self, directory: JobDirectory) -> None:
        """The function was interrupted for a requeue: this attempt ends, and the job does not."""
        called_at, self.called_at = self.called_at, None
        if self.loaded and called_at is not None:
            from slurm.callbacks.contexts import RunEndContext, seconds_between, time_of, utc_now

            started = time_of(rfc3339(called_at))
            took = seconds_between(started, utc_now())
            left = RunEndContext(
                **_about(directory), requeued=True, started_at=started, duration=took
            )
            self._tell("on_end_run_job_ctx", left)

    def _close(self, process: int) -> None:
        from slurm.callbacks.hooks import close

        for callback in self.loaded if os.getpid() == process else ():
            close(callback)

    def _tell(self, hook: str, context: CallbackContext) -> None:
        from slurm.callbacks.base import overrides
        from slurm.callbacks.hooks import call_hook

        for callback in self.loaded:
            if overrides(callback, hook):
                call_hook(callback, hook, context)


def _about(directory: JobDirectory) -> dict[str, Any]:
    from slurm.callbacks.base import ExecutionLocus

    metadata = _metadata(directory)
    index = metadata.get("array_index")
    array = None if index is None else array_of(directory.path)
    return {
        "task_name": metadata.get("task_name", ""),
        "job_id": own_job_id(os.environ) or "",
        "job_dir": directory.path,
        "is_workflow": bool(metadata.get("is_workflow")),
        "parent_workflow": metadata.get("parent_workflow"),
        "array_index": index,
        "array_dir": "" if array is None else array.path,
        "emitted_by": ExecutionLocus.RUNNER,
        "node": metadata.get("node") or "",
        "attempt": metadata.get("attempt") or 1,
    }


def _metadata(directory: JobDirectory) -> dict[str, Any]:
    return read_json_if_whole(directory.metadata)


def _error_in(envelope: Envelope) -> BaseException | None:
    """The exception a client will get."""
    if envelope.kind == "value":
        return None
    from slurm.job_dir.result import open_envelope

    try:
        open_envelope(envelope)
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raised
        return error
    return None
