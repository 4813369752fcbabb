"""What can be passed to a task, and what arrives."""

from __future__ import annotations

import datetime
import decimal
import sys
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import pytest
from tests.conformance.waiting import PATIENCE

import conformance_tasks as tasks
from conformance_tasks import Box, Colour, Pair, Plain
from slurm import Cluster, Job, task
from slurm.errors import SerializationError

NOON = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc)
PLAIN_VALUES: tuple[Any, ...] = (
    None,
    True,
    -(2**80),
    float("inf"),
    1 - 2j,
    'it\'s "$(text)" \0 \n \r\n é \N{SNOWMAN}',
    b"\0\xff\x1a\r\n",
    [],
    [[1], (2, {3})],
    {"a": {("b", 1): frozenset({"c"})}},
    range(3),
    slice(1, None),
    Ellipsis,
    decimal.Decimal("1.10"),
    NOON,
    datetime.timedelta(days=-1),
    PurePosixPath("/a/b c"),
    Colour.RED,
    Pair(1, Pair("two", None)),
    Box([Box(None, label="inner")], label="outer"),
    Plain(any="thing", nested=Plain(x=[1])),
)


@pytest.fixture(scope="module")
def echoed(client: Cluster) -> Job[Any]:
    return tasks.echo.submit(client)(*PLAIN_VALUES, big=b"x" * 5_000_000)


@pytest.fixture(scope="module")
def three(client: Cluster) -> Job[int]:
    return tasks.add.submit(client)(1, 2)


@pytest.fixture(scope="module")
def ten(client: Cluster) -> Job[int]:
    return tasks.add.submit(client)(4, 6)


@pytest.fixture(scope="module")
def with_jobs(client: Cluster, three: Job[int], ten: Job[int]) -> Job[Any]:
    submit = tasks.echo.submit(client)
    return submit(
        three,
        [ten, (three, {"key": [ten]})],
        Box(Box({"deep": (three,)}), label="box"),
        Pair(ten, three),
        Plain(attribute=[three]),
        keyword={"job": ten},
    )


def test_values_of_every_kind_arrive_as_they_were(echoed: Job[Any]) -> None:
    args, _ = echoed.get_result(PATIENCE)
    assert args == PLAIN_VALUES
    assert [type(value) for value in args] == [type(value) for value in PLAIN_VALUES]
    assert args[-3].left == 1


def test_arguments_may_be_larger_than_a_job_script(echoed: Job[Any]) -> None:
    _, kwargs = echoed.get_result(PATIENCE)
    assert kwargs == {"big": b"x" * 5_000_000}


def test_jobs_arrive_as_their_results_at_any_depth(with_jobs: Job[Any]) -> None:
    args, kwargs = with_jobs.get_result(PATIENCE)
    assert args == (
        3,
        [10, (3, {"key": [10]})],
        Box(Box({"deep": (3,)}), label="box"),
        Pair(10, 3),
        Plain(attribute=[3]),
    )
    assert kwargs == {"keyword": {"job": 10}}


def test_a_job_among_the_arguments_is_a_dependency_once(
    with_jobs: Job[Any], three: Job[int], ten: Job[int]
) -> None:
    assert sorted(job.id for job in with_jobs.dependencies) == sorted([three.id, ten.id])


def test_parameters_of_every_kind_are_filled_whatever_their_names(
    cluster: Cluster, three: Job[int]
) -> None:
    job = tasks.every_kind(three, context=1, ctx=2, self=3, task=4, key=5, after=6, job=7)
    rest = {"self": 3, "task": 4, "key": 5, "after": 6, "job": 7}
    assert job.get_result(PATIENCE) == (3, 1, "default", (), 2, 5, rest)


def test_functions_and_tasks_are_values_too(cluster: Cluster) -> None:
    assert tasks.apply([tasks.twice, tasks.double], 4).get_result(PATIENCE) == [8, 8]


def test_closures_and_lambdas_travel_to_the_same_python(cluster: Cluster) -> None:
    captured = 40

    @task
    def closure(function: Callable[[int], int]) -> int:
        return captured + function(1)

    if cluster.backend.host().python[:2] == sys.version_info[:2]:
        assert closure(lambda number: number + 1).get_result(PATIENCE) == 42
    else:
        with pytest.raises(SerializationError, match="same Python"):
            closure(tasks.twice)
        with pytest.raises(SerializationError, match="same Python"):
            tasks.apply([lambda number: number + 1], 1)


def test_a_call_that_does_not_fit_is_refused_where_it_is_made(cluster: Cluster) -> None:
    untyped: Any = tasks.add
    with pytest.raises(TypeError, match=r"add\(\) missing a required argument: 'right'"):
        untyped(1)
    with pytest.raises(TypeError, match=r"add\(\) got an unexpected keyword argument 'third'"):
        untyped(1, 2, third=3)
