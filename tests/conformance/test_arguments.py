"""What can be passed to a task, and what arrives."""

from __future__ import annotations

import datetime
import decimal
import sys
from pathlib import PurePosixPath
from typing import Any

import pytest
from tests.conformance.sites import PATIENCE

import conformance_tasks as tasks
from conformance_tasks import Box, Colour, Pair, Plain
from slurm import Cluster, Job
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


def test_parameters_of_every_kind_are_filled(cluster: Cluster, three: Job[int]) -> None:
    given = tasks.every_kind(1, 2, fourth=three)
    everything = tasks.every_kind(three, second=2, third=30, fourth=4, fifth=50)
    assert given.get_result(PATIENCE) == (1, 2, 3, 3, 5)
    assert everything.get_result(PATIENCE) == (3, 2, 30, 4, 50)


def test_parameters_may_have_the_names_we_use_ourselves(cluster: Cluster) -> None:
    named = {"self": 1, "context": 2, "ctx": 3, "cluster": 4, "args": 5}
    job = tasks.awkward_names(**named, task=6, key=7, after=8, job=9)
    assert job.get_result(PATIENCE) == (1, 2, 3, 4, 5, {"task": 6, "key": 7, "after": 8, "job": 9})


def test_functions_and_tasks_are_values_too(cluster: Cluster) -> None:
    by_name = tasks.apply(tasks.twice, 4)
    as_task = tasks.apply(tasks.double, 5)
    assert by_name.get_result(PATIENCE) == 8
    assert as_task.get_result(PATIENCE) == 10


def test_a_lambda_travels_to_the_same_python(cluster: Cluster) -> None:
    if cluster.backend.host().python[:2] == sys.version_info[:2]:
        assert tasks.apply(lambda value: value + 1, 1).get_result(PATIENCE) == 2
    else:
        with pytest.raises(SerializationError, match="same Python"):
            tasks.apply(lambda value: value + 1, 1)


def test_a_call_that_does_not_fit_is_refused_where_it_is_made(cluster: Cluster) -> None:
    untyped: Any = tasks.add
    with pytest.raises(TypeError, match=r"add\(\) missing a required argument: 'right'"):
        untyped(1)
    with pytest.raises(TypeError, match=r"add\(\) got an unexpected keyword argument 'third'"):
        untyped(1, 2, third=3)
