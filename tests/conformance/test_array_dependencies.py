"""Arrays that wait, and jobs that wait for arrays and for their elements."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from tests.conformance.sites import Gate, Site
from tests.conformance.waiting import PATIENCE, wait_until

import conformance_tasks as tasks
from slurm import ArrayJob, Cluster, Job
from slurm.errors import DependencyFailed, JobCancelled, SubmissionError


class Halves(NamedTuple):
    """An array of which the first element ends at once, the second with the gate; and who waits for it."""

    array: ArrayJob[Any]
    gate: Gate
    each: ArrayJob[Any]
    all: ArrayJob[Any]


@pytest.fixture(scope="module")
def halves(client: Cluster, new_gate: Callable[[], Gate]) -> Halves:
    opened, closed = new_gate(), new_gate()
    opened.open()
    with client:
        array = tasks.wait_for.map([(opened.path, "first"), (closed.path, "second")])
        return Halves(
            array,
            closed,
            each=tasks.echo.aftercorr(array).map(["0", "1"]),
            all=tasks.echo.map(["2"]).after(array),
        )


class Failed(NamedTuple):
    """An array of which the second element fails, and what depends on it."""

    array: ArrayJob[Any]
    each: ArrayJob[Any]
    good: Job[Any]
    any: Job[Any]
    never: tuple[Job[Any], ...]
    packed: tuple[ArrayJob[Any], Job[Any]]


@pytest.fixture(scope="module")
def failed(client: Cluster) -> Failed:
    with client:
        array = tasks.fail_if_odd.map([0, 1])
        never = tasks.double.after(array[1]).map([1, 2])
        packed = tasks.fail_if_odd.map([0, 3, 5], pack=3)
        return Failed(
            array,
            each=tasks.echo.aftercorr(array).map(["0", "1"]),
            good=tasks.echo.after(array[0])("good"),
            any=tasks.echo.afterany(array)("any"),
            never=(tasks.echo.after(array)("all"), tasks.echo(array), tasks.echo(array[1]), *never),
            packed=(packed, tasks.echo(packed)),
        )


def test_an_element_waits_for_its_counterpart_and_others_for_all(halves: Halves) -> None:
    assert halves.array[0].get_result(PATIENCE) == "first"
    assert halves.all.dependencies == (halves.array,)
    assert halves.each[0].get_result(PATIENCE) == (("0",), {})
    wait_until(lambda: halves.array[1].get_status() == "RUNNING", "the second element runs")
    for waiting in (halves.each[1], halves.all[0]):
        assert waiting.get_status() == "PENDING"
    assert not halves.array.wait(timeout=0)
    assert not halves.array.is_completed()
    assert halves.array.is_running()
    with pytest.raises(TimeoutError):
        halves.array.get_results(timeout=0.01)
    halves.gate.open()
    assert halves.array.get_results(PATIENCE) == ["first", "second"]
    assert halves.each.get_results(PATIENCE) == [(("0",), {}), (("1",), {})]
    assert halves.all.get_results(PATIENCE) == [(("2",), {})]


def test_an_array_that_was_submitted_can_wait_for_nothing_more(halves: Halves) -> None:
    with pytest.raises(SubmissionError, match=r"\.after\(\)"):
        halves.all.after(halves.array)


def test_what_needs_a_failed_element_never_starts_and_names_it(failed: Failed) -> None:
    for job in failed.never:
        with pytest.raises(DependencyFailed, match=f"job {failed.array[1].id} .*FAILED") as raised:
            job.get_result(PATIENCE)
        assert isinstance(raised.value.__cause__, tasks.Unlucky)
        assert raised.value.root_job_dir == failed.array[1].job_dir


@pytest.mark.parametrize("later", [False, True])
def test_of_items_that_share_a_job_the_first_to_fail_is_the_root(
    failed: Failed, site: Site, later: bool
) -> None:
    array, never = failed.packed
    with contextlib.closing(site.connect()) as other:
        job = other.get_job(never.id) if later else never
        with pytest.raises(DependencyFailed, match="3 is odd") as raised:
            job.get_result(PATIENCE)
    assert isinstance(raised.value.__cause__, tasks.Unlucky)
    assert raised.value.__cause__.code == 3
    assert raised.value.root_job_dir == array[1].job_dir


def test_what_needs_another_element_or_any_end_runs(failed: Failed) -> None:
    assert failed.good.get_result(PATIENCE) == (("good",), {})
    assert failed.any.get_result(PATIENCE) == (("any",), {})


def test_an_element_never_starts_when_its_counterpart_failed(failed: Failed) -> None:
    assert failed.each[0].get_result(PATIENCE) == (("0",), {})
    with pytest.raises(DependencyFailed) as raised:
        failed.each[1].get_result(PATIENCE)
    assert raised.value.root_job_id == failed.array[1].id


def test_an_array_and_one_element_can_be_cancelled(cluster: Cluster, gate: Gate) -> None:
    array = tasks.wait_for.map([(gate.path,)] * 3, max_concurrent=1)
    array[1].cancel()
    with pytest.raises(JobCancelled, match=f"job {array[1].id} "):
        array[1].get_result(PATIENCE)
    gate.wait_until_started()
    assert not array[0].is_completed()
    array.cancel()
    array.cancel()
    for job in array:
        with pytest.raises(JobCancelled):
            job.get_result(PATIENCE)
        assert job.get_status() == "CANCELLED"
