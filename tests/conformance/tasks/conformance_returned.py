"""Tasks that are coroutines, and workflows that return jobs. The file travels to clusters that have no such module."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any, NamedTuple

from slurm import Job, JobContext, WorkflowContext, gather, task, workflow


@dataclasses.dataclass(frozen=True)
class Box:
    """Holds anything, jobs too."""

    content: Any


class Pair(NamedTuple):
    left: Any
    right: Any


@task(mem="100M")
def double(number: int) -> int:
    return 2 * number


@task(mem="100M")
def fail(message: str) -> int:
    raise LookupError(message)


@task(mem="100M")
async def slowly_double(job: JobContext, number: int, *, times: int = 2) -> tuple[str, int]:
    await asyncio.gather(*(asyncio.sleep(0) for _ in range(times)))
    return job.job_id, times * number


@task(mem="100M")
async def fail_in_a_coroutine(message: str) -> None:
    raise LookupError(message)


@workflow(mem="100M")
def one_job(number: int) -> Job[int]:
    """As one writes it who has met functions that call functions."""
    return double(number)


@workflow(mem="100M")
async def containers(ctx: WorkflowContext, numbers: list[int]) -> Any:
    """Jobs and arrays at any depth, and awaited before."""
    first = double(numbers[0])
    awaited = await gather(first, double.map(numbers, pack=len(numbers)))
    array = double.map(awaited[1], pack=len(numbers))
    return {
        "twice": [first, first],
        "array": Box((array, array[1])),
        "none": double.map([]),
        "pair": Pair(awaited, {"in a workflow": ctx.workflow_job_id != ""}),
    }


@workflow(mem="100M")
def one_that_failed(number: int) -> Any:
    return {"good": double(number), "bad": [fail("not my day")]}


@workflow(mem="100M")
def itself(ctx: WorkflowContext) -> Any:
    """What can only end after this has."""
    assert ctx.cluster is not None
    after_this = double.after(ctx.cluster.get_job(ctx.workflow_job_id))
    return after_this.with_options(kill_on_invalid_dep="yes")(1)


@workflow(mem="100M")
def a_lock_beside_a_job(number: int) -> Any:
    import threading

    return [threading.Lock(), double(number)]
