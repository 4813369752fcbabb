"""One job, from its payload to its result file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from slurm.agent.directories import make_private_directory
from slurm.agent.event_files import LARGEST_NEWS, write_news
from slurm.agent.files import replacing
from slurm.agent.json_files import read_json, read_json_if_whole, update_json
from slurm.agent.regular_files import open_regular
from slurm.callbacks.node import NodeCallbacks
from slurm.context import loading_script
from slurm.errors import RemoteError, ResultCorrupted
from slurm.job_dir.arguments import JobResultPlaceholder, load_arguments
from slurm.job_dir.metadata import element_metadata, rfc3339, utc_now
from slurm.job_dir.paths import UNWRITTEN, ArrayDirectory, JobDirectory, event_name
from slurm.job_dir.payload import Payload, load_payload
from slurm.job_dir.result import (
    Envelope,
    exception_envelope,
    load_envelope,
    unwritten_envelope,
    value_envelope,
    write_envelope,
)
from slurm.job_dir.result_file import Writer
from slurm.node.job_id import own_job_id
from slurm.node.stopping import BACK_IN_THE_QUEUE, own_job, say
from slurm.runner.functions import load_function, restore_imports
from slurm.runner.injection import Injection

LONGEST_ERROR = 500


def run_job(path: str) -> int:
    """Run the job in the directory `path`; 0 when its function returned, 1 when it raised."""
    directory = JobDirectory(path)
    own_job.begin(os.environ, directory.metadata)
    if own_job.may_come_back and _earlier_outcome(directory) == 0:
        return 0
    return _run(directory, Work(directory), {}, os.environ.get("SLURM_SDK_TOKEN", ""))


def run_array_task(path: str, first: int, count: int, pack: int) -> int:
    """Run the items of one task of the array in `path`; 0 when the function returned for all of them.

    An item that has a result already, from before a requeue, is not run again.
    """
    from slurm.sbatch.array_layout import ArrayLayout

    array, layout = ArrayDirectory(path), ArrayLayout(count, pack)
    work = Work(JobDirectory(path), array)
    metadata = element_metadata(_array_metadata(array.metadata))
    token = os.environ.get("SLURM_SDK_TOKEN", "")
    at_home = os.path.realpath(os.getcwd()) == os.path.realpath(path)  # and not where --chdir said
    items = layout.items_of_task(first + int(os.environ["SLURM_ARRAY_TASK_ID"]))
    own_job.begin(os.environ, array.element(layout.name(items[0])).metadata)
    status = 0
    for place, item in enumerate(items):
        directory = array.element(layout.name(item))
        kept = pack > 1 or own_job.may_come_back
        before = _earlier_outcome(directory) if kept else None
        if before is not None and (before == 0 or pack > 1):
            status |= before
            continue
        if place and own_job.leave_the_rest():
            return BACK_IN_THE_QUEUE
        os.environ.update({"JOB_DIR": directory.path, "SLURM_SDK_ARRAY_INDEX": str(item)})
        make_private_directory(directory.path)
        if at_home:  # relative paths mean an item's own files, as they mean a job's
            os.chdir(directory.path)
        work.item = item
        more = {**metadata, "token": f"{token}_{item}", "array_index": item}
        status |= _run(directory, work, more, f"{token}_{item}")
        if own_job.leaving:
            return BACK_IN_THE_QUEUE
    return status


def _earlier_outcome(directory: JobDirectory) -> int | None:
    """The exit status of an earlier attempt that left a result; None where there is none."""
    try:
        with open_regular(directory.result) as file:
            return 0 if load_envelope(file).kind == "value" else 1
    except (FileNotFoundError, ResultCorrupted):
        return None
    except OSError as error:  # whatever stands there, it is no result; writing one says more
        say(f"slurm-tasks: {error}")
        return None


def _array_metadata(path: str) -> dict[str, Any]:
    """What an array has noted of itself; its elements do without where that cannot be read."""
    try:
        return read_json_if_whole(path)
    except OSError as error:
        say(f"slurm-tasks: {error}")
        return {}


def _run(directory: JobDirectory, work: Work, metadata: Mapping[str, Any], token: str) -> int:
    """One call, from the news that it runs to its result and the news of its end."""
    attempt = int(os.environ.get("SLURM_RESTART_COUNT", "0")) + 1
    begin = {
        **metadata,
        "status": "running",
        "job_id": own_job_id(os.environ),
        "attempt": attempt,
        "launched_at": _launched_at(os.environ.pop("SLURM_SDK_LAUNCHED_AT", "")),
        "started_at": utc_now(),
        "node": os.environ.get("SLURMD_NODENAME"),
        "python_version": sys.version.split()[0],
        "stdout": _file_behind(1),
        "stderr": _file_behind(2),
    }
    try:
        update_json(directory.metadata, begin)
    except OSError as error:  # the disk is full: there may be room when the function has returned
        say(f"slurm-tasks: that the job has begun could not be noted: {error}")
    process = os.getpid()
    with own_job.running():
        envelope = _enveloped(work.call, directory, attempt)
    if os.getpid() != process:
        os._exit(1)  # a child that the function forked came back from it: the job is its parent's
    if own_job.leaving:
        if own_job.requeued:
            update_json(directory.metadata, {"status": "requeued"})
        work.callbacks.leave(directory)
        return BACK_IN_THE_QUEUE
    if _has_successor(directory, attempt):
        return 1
    return _put_away(envelope, directory, work, token)


def _has_successor(directory: JobDirectory, attempt: int) -> bool:
    """Whether the job was started again, while this process ran on where the scheduler heard nothing of it."""
    try:
        newest = int((read_json(directory.metadata) or {}).get("attempt") or 0)
    except (OSError, ValueError, TypeError):
        return False
    if newest > attempt:
        say(
            f"slurm-tasks: attempt {newest} of this job has begun: the result is that one's to write"
        )
    return newest > attempt


def _put_away(envelope: Envelope, directory: JobDirectory, work: Work, token: str) -> int:
    """Write the result, and tell of it: the metadata, the callbacks, the client."""
    _log(envelope)
    written = _written(envelope, directory.result)
    if written is None:
        return UNWRITTEN
    envelope = written
    success = envelope.kind == "value"
    # The result is there: whatever fails from here on must not make it a failure for dependents.
    try:
        times = {"called_at": work.callbacks.called_at, "completed_at": utc_now()}
        end = {"status": "completed" if success else "failed", **times}
        update_json(directory.metadata, end if success else {**end, "error": _in_a_line(envelope)})
        work.callbacks.end(directory, envelope)
        _tell_the_client(event_name(token, envelope.attempt, success), directory.result)
    except (OSError, ValueError) as error:
        say(f"slurm-tasks: what became of the job could not be noted: {error}")
    return 0 if success else 1


def _written(envelope: Envelope, path: str) -> Envelope | None:
    """Write the result; where that cannot be, why. Returns what was written, None if not even that could be."""
    size = 0
    try:
        with replacing(path) as file:
            out = Writer(file)
            try:
                written = write_envelope(out, envelope)
            finally:
                size = out.size
    except (MemoryError, OSError) as error:
        if isinstance(error, OSError):
            error.filename = path
        return _explained(unwritten_envelope(envelope.attempt, size, error), path)
    if written is not envelope:
        _log(written)
    return written


def _explained(envelope: Envelope, path: str) -> Envelope | None:
    _log(envelope)
    try:
        with replacing(path) as file:
            return write_envelope(Writer(file), envelope)
    except (MemoryError, OSError):
        return None  # the job's stderr has to tell, if there is room for that


def _enveloped(
    call: Callable[[JobDirectory], Any], directory: JobDirectory, attempt: int
) -> Envelope:
    try:
        value = call(directory)
    except SystemExit as leaving:
        if leaving.code not in (None, 0):
            text = f"the task called sys.exit({leaving.code!r})"
            return exception_envelope(RemoteError(text, type_name="SystemExit"), attempt)
        value = None
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises is the result
        return exception_envelope(error, attempt)
    return value_envelope(value, attempt)


class Work:
    """The function and its arguments, read from the job's files when they are first called for."""

    def __init__(self, directory: JobDirectory, array: ArrayDirectory | None = None) -> None:
        self.directory = directory
        self.array = array
        self.item = 0
        self.packaging: str = ""
        self.callbacks: NodeCallbacks = NodeCallbacks()
        self._loaded: tuple[Payload, Callable[..., Any]] | None = None

    def call(self, directory: JobDirectory) -> Any:
        """Call the function for the job, or the array's item, in `directory`."""
        try:
            return self._call(directory)
        except ModuleNotFoundError as error:
            from slurm.runner.missing_modules import explain

            explain(error, self.packaging)
            raise

    def _call(self, directory: JobDirectory) -> Any:
        # What is imported for them may submit as a script without a main guard does: this very job again, without end.
        with loading_script():
            payload, function = self._loaded or self._load()
            args, kwargs = self._arguments(payload)
        callbacks = self.callbacks
        with Injection(function, payload.children, directory, callbacks.loaded) as injection:
            callbacks.begin(directory)
            return injection.settle(injection.call(args, kwargs))

    def _load(self) -> tuple[Payload, Callable[..., Any]]:
        with open_regular(self.directory.payload) as file:
            payload = load_payload(file)
        self.packaging = payload.packaging
        with loading_script(everywhere=True):
            restore_imports(payload, self.directory)
            try:
                self._loaded = payload, load_function(payload, self.directory)
                return self._loaded
            finally:  # callbacks may be defined beside the function, and are told if it cannot be loaded
                self.callbacks.load(payload.callbacks, payload.python)

    def _arguments(self, payload: Payload) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if not payload.items:
            return load_arguments(payload.arguments, _result_of, payload.python, payload.later)
        path = self.directory.arguments if self.array is None else self.array.items
        begin, _ = payload.items[self.item]
        with open_regular(path) as file:
            file.seek(begin)
            return load_arguments(file, _result_of, payload.python, payload.later)


def _log(envelope: Envelope) -> None:
    """Put an exception into the job's stderr, where people look first."""
    if envelope.kind == "exception":
        say(envelope.traceback)


def _in_a_line(envelope: Envelope) -> str:
    """What the task raised, for those who read the metadata alone."""
    name = envelope.type_name.removeprefix("builtins.")
    return " ".join(f"{name}: {envelope.message}".split())[:LONGEST_ERROR]


def _result_of(placeholder: JobResultPlaceholder) -> Any:
    from slurm.runner.placeholders import result_of

    return result_of(placeholder)


def _file_behind(descriptor: int) -> str | None:
    """The file to which a descriptor writes; None for a pipe, and where the system does not tell."""
    try:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return None
    return path if path.startswith("/") else None


def _launched_at(epoch: str) -> str | None:
    """When the job script began, by bash's clock, whose decimal point is the locale's; None without one."""
    try:
        return rfc3339(float(epoch.replace(",", ".")))
    except ValueError:
        return None


def _tell_the_client(event: str, result: str) -> None:
    """Leave a file where the client listens, with the result if that is small.

    A client that is gone has no such directory.
    """
    folder = os.environ.get("SLURM_SDK_EVENT_DIR", "")
    if os.environ.get("SLURM_SDK_TOKEN") and os.path.isdir(folder):
        path = os.path.join(folder, event)
        try:
            write_news(path, _if_small(result))
        except OSError:  # a disk that is full may have room for a name
            write_news(path, b"")


def _if_small(path: str) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read() if os.fstat(file.fileno()).st_size <= LARGEST_NEWS else b""
    except FileNotFoundError:
        return b""
