"""What a function returns that is no plain value: coroutines, which run in the job, and jobs, whose results count."""

from __future__ import annotations

import asyncio
import functools
from typing import Any, NamedTuple

import pytest
from tests.conformance.waiting import PATIENCE

import conformance_returned as tasks
from conformance_returned import Box, Pair
from slurm import ArrayJob, Cluster, Job, task, workflow
from slurm.errors import ConfigError, DependencyFailed, ResultError, ResultNotSerializable
from slurm.executor import JobFuture


class Returned(NamedTuple):
    """One job of each kind, submitted together."""

    one: Job[int]
    containers: Job[Any]
    failed: Job[Any]
    itself: Job[Any]
    unpicklable: Job[Any]
    coroutine: Job[tuple[str, int]]
    failing: Job[None]
    mapped: ArrayJob[tuple[str, int]]
    future: JobFuture[Any]


@pytest.fixture(scope="module")
def returned(client: Cluster) -> Returned:
    with client.batch():
        one = tasks.one_job(1)
        return Returned(
            one=one,
            containers=tasks.containers([1, 2]),
            failed=tasks.one_that_failed(1),
            itself=tasks.itself(),
            unpicklable=tasks.a_lock_beside_a_job(1),
            coroutine=tasks.slowly_double(one),
            failing=tasks.fail_in_a_coroutine("not my day"),
            mapped=tasks.slowly_double.map([1, (2,), {"number": 3, "times": 3}], pack=3),
            future=client.executor(mem="100M").submit(asyncio.sleep, 0, "slept"),
        )


def test_the_result_of_a_job_takes_its_place(returned: Returned) -> None:
    assert returned.one.get_result(PATIENCE) == 2


def test_jobs_may_stand_as_deep_as_among_arguments(returned: Returned) -> None:
    assert returned.containers.get_result(PATIENCE) == {
        "twice": [2, 2],
        "array": Box(([4, 8], 8)),
        "none": [],
        "pair": Pair([2, [2, 4]], {"in a workflow": True}),
    }


def test_one_that_failed_fails_the_workflow_and_is_named(returned: Returned) -> None:
    with pytest.raises(DependencyFailed) as caught:
        returned.failed.get_result(PATIENCE)
    message = str(caught.value)
    assert "one_that_failed returned job" in message
    assert "(fail), which raised: LookupError: not my day" in message
    assert caught.value.root_job_id in message
    assert caught.value.root_job_id != returned.failed.id


def test_one_that_cannot_end_first_is_a_clear_error(returned: Returned) -> None:
    with pytest.raises(ResultError, match="which cannot end before itself does"):
        returned.itself.get_result(PATIENCE)


def test_what_cannot_be_pickled_is_named_beside_a_job(returned: Returned) -> None:
    with pytest.raises(ResultNotSerializable, match=r"cannot (be pickled|pickle)"):
        returned.unpicklable.get_result(PATIENCE)


def test_a_coroutine_runs_in_the_job(returned: Returned) -> None:
    assert returned.coroutine.get_result(PATIENCE) == (returned.coroutine.id, 4)
    assert [value for _, value in returned.mapped.get_results(PATIENCE)] == [2, 4, 9]
    assert returned.future.result(PATIENCE) == "slept"
    with pytest.raises(LookupError, match="not my day"):
        returned.failing.get_result(PATIENCE)


def test_the_plain_function_is_a_coroutine_function() -> None:
    assert asyncio.iscoroutinefunction(tasks.slowly_double.unwrapped)
    plain: Any = tasks.fail_in_a_coroutine.unwrapped
    with pytest.raises(LookupError):
        asyncio.run(plain("here"))


def test_generators_are_refused_where_they_are_written(client: Cluster) -> None:
    def numbers() -> Any:
        yield 1

    async def more() -> Any:
        yield 1

    class Callable:
        def __call__(self) -> Any:
            yield 1

    for function in (numbers, more, Callable(), Callable().__call__, functools.partial(numbers)):
        for use in (task, workflow, task(mem="1G"), client.executor().submit):
            with pytest.raises(ConfigError, match=r"generator function.*return a list") as caught:
                use(function)
            assert "\n" not in str(caught.value)
    assert task(functools.partial(sorted, numbers())).unwrapped() == [1]
