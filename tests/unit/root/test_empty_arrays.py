"""A task that is mapped over nothing: an array that has ended, wherever it is used. Nothing is submitted for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend, job_on

from slurm import ArrayJob, Cluster, as_completed, gather, task
from slurm.errors import ConfigError, DependencyFailed
from slurm.job_dir.arguments import load_arguments
from slurm.job_dir.payload import load_payload
from slurm.job_dir.placeholder import JobResultPlaceholder
from slurm.runner.placeholders import result_of


@task
def scale(value: int, factor: int = 2) -> int:
    return value * factor


@task
def total(values: Any, more: Any = None) -> int:
    return sum(values)


@pytest.fixture
def active(fake_cluster: Cluster) -> Iterator[Cluster]:
    with fake_cluster:
        yield fake_cluster


@pytest.fixture
def empty(active: Cluster) -> ArrayJob[int]:
    return scale.map([])


async def awaited(array: ArrayJob[int]) -> list[int]:
    return await array


async def gathered(array: ArrayJob[int]) -> list[list[int]]:
    return await gather(array, array)


def cancelled(array: ArrayJob[int]) -> list[int]:
    array.cancel()
    return array.get_results()


USES: dict[str, tuple[Callable[[ArrayJob[int]], object], object]] = {
    "results": (lambda array: array.get_results(), []),
    "results in time": (lambda array: array.get_results(timeout=0, return_exceptions=True), []),
    "result": (lambda array: array.result(0), []),
    "exception": (lambda array: array.exception(0), None),
    "wait": (lambda array: array.wait(0), True),
    "len": (len, 0),
    "bool": (bool, True),
    "iteration": (list, []),
    "slice": (lambda array: array[:5], []),
    "jobs": (lambda array: array.jobs, ()),
    "submit": (lambda array: array.submit() is array, True),
    "ids": (lambda array: (array.ids, array.id, array.job_dir, array.get_results_dir()), ((), "", "", "")),
    "pack": (lambda array: (array.pack, array.layout.tasks, array.layout.pieces), (1, 0, ())),
    "dependencies": (lambda array: array.dependencies, ()),
    "reattached": (lambda array: array.reattached, False),
    "cancelled": (cancelled, []),
    "as_completed": (lambda array: list(as_completed(array, timeout=0)), []),
    "as_completed of it": (lambda array: list(as_completed([array], timeout=0)) == [array], True),
    "gather": (gather, [[]]),
    "await": (lambda array: asyncio.run(awaited(array)), []),
    "await gather": (lambda array: asyncio.run(gathered(array)), [[], []]),
    "after": (lambda array: array.after(array.cluster.map(scale, [])).get_results(), []),
    "mapped": (lambda array: scale.map(array).get_results(), []),
    "mapped with it": (lambda array: scale.aftercorr(array).map([]).get_results(), []),
}  # fmt: skip


@pytest.mark.parametrize("use", USES)
def test_an_array_without_items_has_ended_with_no_results(
    use: str, empty: ArrayJob[int], backend: FakeBackend
) -> None:
    assert (empty.done(), empty.is_completed(), empty.is_successful()) == (True, True, True)
    assert not empty.is_running()
    assert repr(empty) == "<ArrayJob empty scale of 0>"
    function, expected = USES[use]
    assert function(empty) == expected
    assert (empty.done(), empty.is_successful(), empty.is_given_up) == (True, True, False)
    assert not backend.requests
    assert not backend.queries


@pytest.mark.parametrize("items", [[], (), {}, iter(()), (n for n in range(0)), range(0)])
def test_any_iterable_may_be_empty(items: Any, active: Cluster, backend: FakeBackend) -> None:
    assert scale.map(items, max_concurrent=2, pack=3).get_results() == []
    assert active.map(scale, [], time="5").get_results() == []
    assert list(active.executor().map(scale, items)) == []
    with active.batch():
        batched = scale.map([])
    assert batched.get_results() == []
    assert not backend.requests


def test_there_is_no_element(empty: ArrayJob[int]) -> None:
    with pytest.raises(IndexError):
        _ = empty[0]


def test_bounds_and_options_are_checked_all_the_same(active: Cluster) -> None:
    with pytest.raises(ConfigError):
        scale.map([], pack=0)
    with pytest.raises(ConfigError):
        active.map(scale, [], memm="1G")


def test_a_callback_is_called_at_once(empty: ArrayJob[int]) -> None:
    told: list[ArrayJob[int]] = []
    empty.add_done_callback(told.append)
    assert told == [empty]


def test_leaving_the_context_by_an_exception_takes_nothing_from_it(
    fake_cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    def failing() -> None:
        with fake_cluster:
            arrays.append(scale.map([]))
            raise LookupError

    arrays: list[ArrayJob[int]] = []
    with caplog.at_level(logging.WARNING), pytest.raises(LookupError):
        failing()
    assert arrays[0].get_results() == []
    assert not caplog.records
    fake_cluster.close()
    assert arrays[0].get_results() == []


# --- as what others wait for -------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["after", "afterany"])
def test_what_waits_for_it_waits_for_nothing(
    method: str, empty: ArrayJob[int], backend: FakeBackend
) -> None:
    job = getattr(total, method)(empty)([1])
    assert "dependency" not in backend.requests[0].submit_options
    assert job.dependencies == (empty,)
    scale.map([1]).after(empty).submit()
    assert "dependency" not in backend.requests[1].submit_options


def test_a_job_is_given_the_empty_list(
    empty: ArrayJob[int], active: Cluster, backend: FakeBackend
) -> None:
    shown = active.dry_run(total, empty, more=[empty, scale.map([])])
    assert "dependency" not in shown.submit_options
    total(empty, more={"nested": (empty,)})
    [request] = backend.requests
    args, kwargs = load_arguments(load_payload(request.files["payload.pkl"]).arguments, result_of)
    assert (args, kwargs) == (([],), {"more": {"nested": ([],)}})
    assert "dependency" not in request.submit_options
    assert empty.placeholder() == JobResultPlaceholder("", "", 0)


def test_what_it_waits_for_itself_is_waited_for_by_way_of_it(
    fake_cluster: Cluster, active: Cluster, backend: FakeBackend
) -> None:
    for job_id in ("7", "8"):
        backend.say(job_id, "RUNNING")
    first, second = job_on(fake_cluster, "7"), job_on(fake_cluster, "8")
    filtered = scale.after(first).map([]).afterany(second)
    further = scale.map([]).after(filtered)
    total.after(further)([1])
    total.afterany(filtered)([1])
    total(filtered)
    said = [request.submit_options["dependency"] for request in backend.requests]
    assert said == ["afterok:7,afterany:8", "afterany:7:8", "afterok:7,afterany:8"]


def test_it_cannot_fail(empty: ArrayJob[int], backend: FakeBackend) -> None:
    with pytest.raises(DependencyFailed, match="without items cannot fail"):
        total.afternotok(empty)([1])
    assert not backend.requests


def test_it_is_no_pair_of_another(empty: ArrayJob[int]) -> None:
    with pytest.raises(ConfigError, match="same number of items"):
        scale.aftercorr(empty).map([1]).submit()


def test_many_ways_through_empty_arrays_are_gone_once(active: Cluster) -> None:
    before = scale(1)
    layers = [scale.map([]).after(before), scale.map([]).after(before)]
    for _ in range(40):
        layers.append(scale.map([]).after(layers[-1], layers[-2]))
    assert scale.after(layers[-1])(2).dependencies == (layers[-1], before)


def test_a_chain_of_empty_arrays_may_be_long(active: Cluster) -> None:
    last = scale.map([])
    for _ in range(1500):
        last = scale.map([]).after(last)
    assert scale.after(last)(2).is_submitted
