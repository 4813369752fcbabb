"""What a function returned, as its result: a coroutine has run, and results stand where jobs were."""

from __future__ import annotations

import os
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from slurm.errors import DependencyFailed, ResultError, SerializationError, SlurmError
from slurm.node.job_id import own_job_id

if TYPE_CHECKING:
    from slurm.array_job import ArrayJob
    from slurm.job import Job
    from slurm.job_dir.placeholder import JobResultPlaceholder

IN_MEMORY = 64 << 20  # bytes of a pickled result; more goes through a file
HOLDS_NOTHING = (str, bytes, int, float, complex, type(None))


def awaited(value: Any) -> Any:
    """What the coroutine returns that an ``async def`` function gave; any other value as it is."""
    if not isinstance(value, Coroutine):
        return value
    import asyncio

    return asyncio.run(value)


def settled(name: str, value: Any) -> Any:
    """`value`, which the function `name` returned, with the results of the jobs and arrays in it in their places.

    They may stand as deep as jobs may among arguments. Waits for them all. Raises `DependencyFailed` for one that
    failed, `ResultError` for one that nobody can wait for.
    """
    upstream = sys.modules.get("slurm.tracking.upstream")
    if upstream is None or not upstream.Upstream.made or isinstance(value, HOLDS_NOTHING):
        return value  # here are no jobs, and looking for them means to pickle the value once more
    from slurm.job_dir.arguments import load_arguments, write_arguments
    from slurm.job_dir.large_files import SpooledFile

    found: dict[JobResultPlaceholder, Any] = {}

    def placeholder_of(one: Any) -> JobResultPlaceholder | None:
        if not isinstance(one, upstream.Upstream):
            return None
        placeholder: JobResultPlaceholder = one.placeholder()
        found[placeholder] = one
        return placeholder

    pickled = SpooledFile(IN_MEMORY)
    try:
        write_arguments(pickled, (value,), {}, placeholder_of)
    except SerializationError:
        return value  # whoever writes the result says what cannot be pickled
    if not found:
        return value
    results = {placeholder: _result_of(name, job) for placeholder, job in found.items()}
    (whole,), _ = load_arguments(pickled.getvalue(), results.__getitem__)
    return whole


def _result_of(name: str, job: Job[Any] | ArrayJob[Any]) -> Any:
    """The result of a job, or of a whole array, when it has ended."""
    who = f"{name} returned job {job.id} ({job.task_name})"
    own = own_job_id(os.environ) or ""
    if own in _waited_for(job):
        raise ResultError(f"{who}, which cannot end before {name} does: job {own} is this one")
    try:
        job.wait()
    except SlurmError as problem:
        raise ResultError(f"{who}, for which nobody can wait: {problem}") from problem
    error = job.exception()
    if error is None:
        return job.result()
    from slurm.config.named_classes import in_a_line

    how = "has no result" if isinstance(error, SlurmError) else "raised"
    root = getattr(error, "root_job_id", "") or job.id
    text = f"{who}, which {how}: {in_a_line(error)}"
    raise DependencyFailed(text, job_id=job.id, job_dir=job.job_dir, root_job_id=root) from error


def _waited_for(job: Job[Any] | ArrayJob[Any]) -> set[str]:
    """The ids of a job and of all that it waits for; of an array its elements' as well."""
    ids: set[str] = set()
    left: list[Any] = [job]
    while left:
        one = left.pop()
        new = {*one.ids, *(record.id for record in one.records)} - ids
        ids |= new
        if new:
            left += [dependency.on for dependency in one.waits_for]
    return ids
