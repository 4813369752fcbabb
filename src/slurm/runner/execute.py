"""One job, from its payload to its result file; an array task runs its items by turns."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from slurm.agent.directories import make_private_directory
from slurm.agent.event_files import LARGEST_NEWS
from slurm.agent.json_files import read_json, read_json_if_whole, update_json
from slurm.agent.regular_files import open_regular
from slurm.errors import ResultCorrupted
from slurm.job_dir.metadata import element_metadata, rfc3339, utc_now
from slurm.job_dir.paths import UNWRITTEN, ArrayDirectory, JobDirectory, event_name
from slurm.job_dir.result import Envelope, load_envelope
from slurm.node.job_id import own_attempt
from slurm.node.stopping import BACK_IN_THE_QUEUE, own_job, say
from slurm.runner.put_away import (
    Client,
    enveloped,
    facts_of_process,
    in_a_line,
    launched_at,
    log,
    written,
)
from slurm.runner.work import Work, is_here


def run_job(path: str) -> int:
    """Run the job in the directory `path`; 0 when its function returned, 1 when it raised."""
    directory = JobDirectory(path)
    own_job.begin(os.environ, directory.metadata)
    if own_job.may_come_back and _earlier_outcome(directory) == 0:
        return 0
    return _run(directory, Work(directory), {}, os.environ.get("SLURM_SDK_TOKEN", ""))


def run_array_task(path: str, first: int, count: int, pack: int, item_dirs: int = 0) -> int:
    """Run the items of one task of the array in `path`; 0 when the function returned for all of them.

    An item that has a result already, from before a requeue, is not run again.
    """
    from slurm.sbatch.array_layout import ArrayLayout

    array, layout = ArrayDirectory(path), ArrayLayout(count, pack)
    metadata = element_metadata(_array_metadata(array.metadata))
    items = layout.items_of_task(first + int(os.environ["SLURM_ARRAY_TASK_ID"]))
    if pack > 1:
        from slurm.runner.packed import Pack  # late: most jobs have one item

        return Pack(array, layout, metadata, item_dirs=bool(item_dirs)).run(items)
    return _run_item(array, layout.name(items[0]), items[0], metadata)


def _run_item(array: ArrayDirectory, name: str, item: int, metadata: Mapping[str, Any]) -> int:
    directory = array.element(name)
    own_job.begin(os.environ, directory.metadata)
    if own_job.may_come_back and _earlier_outcome(directory) == 0:
        return 0
    at_home = is_here(array.path)  # and not where --chdir said
    os.environ.update({"JOB_DIR": directory.path, "SLURM_SDK_ARRAY_INDEX": str(item)})
    make_private_directory(directory.path)
    if at_home:  # relative paths mean an item's own files, as they mean a job's
        os.chdir(directory.path)
    work = Work(JobDirectory(array.path), array)
    work.item = item
    token = f"{os.environ.get('SLURM_SDK_TOKEN', '')}_{item}"
    return _run(directory, work, {**metadata, "token": token, "array_index": item}, token)


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
    attempt = own_attempt(os.environ)
    begin = {
        **metadata,
        "status": "running",
        **facts_of_process(attempt),
        "launched_at": launched_at(),
        "started_at": utc_now(),
    }
    try:
        update_json(directory.metadata, begin)
    except OSError as error:  # the disk is full: there may be room when the function has returned
        say(f"slurm-tasks: that the job has begun could not be noted: {error}")
    process = os.getpid()
    with own_job.running():
        envelope = enveloped(work.call, directory, attempt)
    work.close()
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
    log(envelope)
    done = written(envelope, directory.result)
    if done is None:
        return UNWRITTEN
    envelope = done
    success = envelope.kind == "value"
    # The result is there: whatever fails from here on must not make it a failure for dependents.
    try:
        called_at = work.callbacks.called_at
        times = {"called_at": called_at and rfc3339(called_at), "completed_at": utc_now()}
        end = {"status": "completed" if success else "failed", **times}
        update_json(directory.metadata, end if success else {**end, "error": in_a_line(envelope)})
        work.callbacks.end(directory, envelope)
        _tell_the_client(event_name(token, envelope.attempt, success), directory.result)
    except (OSError, ValueError) as error:
        say(f"slurm-tasks: what became of the job could not be noted: {error}")
    return 0 if success else 1


def _tell_the_client(event: str, result: str) -> None:
    """Leave a file where the client listens, with the result if that is small."""
    client = Client()
    if client.listens:
        try:
            client.tell(event, _if_small(result))
        except OSError:  # a disk that is full may have room for a name
            client.tell(event, b"")


def _if_small(path: str) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read() if os.fstat(file.fileno()).st_size <= LARGEST_NEWS else b""
    except FileNotFoundError:
        return b""
