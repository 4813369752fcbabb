"""Mapped tasks: what is submitted, when, and what becomes of the results. The scheduler is a fake."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from tests.helpers.fakes import DEADLINE, FakeBackend, job_on

from slurm import ArrayJob, Cluster, Job, gather, task
from slurm.errors import (
    ConfigError,
    JobCancelled,
    JobLost,
    NoActiveContext,
    SubmissionError,
    SubmissionRefused,
)
from slurm.job_dir.arguments import load_arguments
from slurm.job_dir.payload import load_payload


class Point(NamedTuple):
    x: int
    y: int


@task
def scale(value: Any, factor: int = 2, *, label: str = "") -> Any:
    return value * factor


@task
def total(values: list[Any]) -> Any:
    return sum(values)


@pytest.fixture
def active(fake_cluster: Cluster) -> Iterator[Cluster]:
    with fake_cluster:
        yield fake_cluster


def arguments_of(backend: FakeBackend, request: int = 0) -> list[Any]:
    files = backend.requests[request].files
    payload = load_payload(files["payload.pkl"])
    return [
        load_arguments(files["items.pkl"][begin:end], lambda placeholder: placeholder)
        for begin, end in payload.items
    ]


def finish(backend: FakeBackend, array: ArrayJob[Any], *values: Any) -> None:
    for job, value in zip(array, values):
        backend.finish(job, value)


# --- what is submitted ---------------------------------------------------------------------------


def test_items_become_arguments(active: Cluster, backend: FakeBackend) -> None:
    items = (item for item in [1, (2, 3), {"value": 4, "label": "x"}, [5], Point(6, 7), ()])
    scale.with_options(mem="2G").map([1, (2, 3), {"value": 4, "label": "x"}]).submit()
    with pytest.raises(TypeError, match=r"scale.map\(\): item 5: .*value"):
        scale.map(items)
    assert arguments_of(backend) == [((1,), {}), ((2, 3), {}), ((), {"value": 4, "label": "x"})]
    [request] = backend.requests
    assert (request.options["array"], request.options["mem"]) == ("0-2", "2G")


def test_a_named_tuple_is_one_value(active: Cluster, backend: FakeBackend) -> None:
    scale.map([Point(1, 2)]).submit()
    assert arguments_of(backend) == [((Point(1, 2),), {})]


def test_an_array_is_one_directory(active: Cluster, backend: FakeBackend) -> None:
    array = scale.map(range(12), max_concurrent=3).submit()
    [request] = backend.requests
    assert request.directories == (*(f"tasks/{n:03}" for n in range(12)), "results")
    assert request.options["array"] == "0-11%3"
    assert request.options["output"].endswith("/tasks/%3a/slurm_%A_%a.out")
    assert request.files["job.sh"].decode().rstrip().endswith(' "$JOB_DIR" 0 12 1')
    metadata = json.loads(request.files["array_metadata.json"])
    assert (metadata["count"], metadata["pack"], metadata["max_concurrent"]) == (12, 1, 3)
    assert [job.id for job in array[10:]] == ["1_10", "1_11"]
    assert array[-1].job_dir == f"{request.job_dir}/tasks/011"
    assert array.get_results_dir() == f"{request.job_dir}/results"


def test_a_pack_is_one_task_for_several_items(active: Cluster, backend: FakeBackend) -> None:
    array = scale.map(range(10), pack=4).submit()
    [request] = backend.requests
    assert request.options["array"] == "0-2"
    assert request.options["output"].endswith("/slurm_%A_%a.out")
    assert [job.id for job in array] == [*["1_0"] * 4, *["1_1"] * 4, *["1_2"] * 2]
    assert array[9].stdout_path == f"{request.job_dir}/slurm_1_2.out"
    assert request.directories == ("records", "results"), "items make their own where they need one"
    assert request.files["job.sh"].decode().rstrip().endswith(' "$JOB_DIR" 0 10 4')
    scale.map(range(10), pack=4, item_dirs=True).submit()
    assert backend.requests[1].files["job.sh"].decode().rstrip().endswith(' "$JOB_DIR" 0 10 4 1')


def test_more_items_than_the_site_allows_are_several_submissions(
    active: Cluster, backend: FakeBackend
) -> None:
    backend.max_array_size = 12
    array = scale.map(range(25), max_concurrent=2).submit()
    assert [request.options["array"] for request in backend.requests] == ["0-9%2"] * 2 + ["0-4%2"]
    assert [request.script for request in backend.requests] == ["job.sh", "job_1.sh", "job_2.sh"]
    assert [request.after_previous for request in backend.requests] == [False, True, True]
    assert (array.id, array[24].id, len(array)) == ("1,2,3", "3_4", 25)
    assert len({request.token for request in backend.requests}) == 3
    assert backend.requests[2].options["output"].endswith("/tasks/02%1a/slurm_%A_%a.out")


def test_a_part_that_is_refused_takes_the_others_with_it(
    active: Cluster, backend: FakeBackend
) -> None:
    backend.max_array_size, backend.refuse_from = 10, 3
    backend.refusal = SubmissionRefused("too many jobs")
    array = scale.map(range(25))
    with pytest.raises(SubmissionRefused, match="scale: too many jobs"):
        array.submit()
    assert backend.cancelled == ["1", "2"]
    with pytest.raises(SubmissionRefused):
        array.get_results()


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ("abc", "not one str"),
        (5, "not a int"),
    ],
)
def test_what_is_no_list_of_items_is_refused(active: Cluster, items: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        scale.map(items)


@pytest.mark.parametrize("options", [{"max_concurrent": 0}, {"pack": 0}, {"pack": 1.5}])
def test_bounds_are_whole_numbers(active: Cluster, options: Any) -> None:
    with pytest.raises(ConfigError, match="whole number"):
        scale.map([1], **options)


def test_whether_items_have_directories_is_yes_or_no(active: Cluster) -> None:
    wrong: Any = "no"
    with pytest.raises(ConfigError, match="item_dirs"):
        scale.map([1], pack=2, item_dirs=wrong)


def test_a_job_is_no_list(active: Cluster, job: Job[Any]) -> None:
    with pytest.raises(ConfigError, match="not known yet"):
        scale.map(job)


def test_mapping_outside_of_all_names_unwrapped() -> None:
    with pytest.raises(NoActiveContext, match=r"scale.map\(\).*scale.unwrapped"):
        scale.map([1])


def test_the_function_travels_once(active: Cluster, backend: FakeBackend) -> None:
    big = "x" * 10_000

    def local(n: int) -> int:
        return len(big) + n

    task(local).map(range(100)).submit()
    files = backend.requests[0].files
    assert len(files["payload.pkl"]) < 20_000 > len(files["items.pkl"])


# --- when it is submitted ------------------------------------------------------------------------


def test_it_is_submitted_on_first_use(active: Cluster, backend: FakeBackend) -> None:
    array = scale.map([1, 2])
    assert (len(array), bool(array), array.is_submitted, backend.requests) == (2, True, False, [])
    assert [job.id for job in array] == ["1_0", "1_1"]
    assert len(backend.requests) == 1


def test_it_is_submitted_when_its_context_ends(fake_cluster: Cluster, backend: FakeBackend) -> None:
    with fake_cluster:
        array = scale.map([1])
        assert backend.requests == []
    assert array.is_submitted
    assert len(backend.requests) == 1


def test_a_context_left_by_an_exception_submits_nothing(
    fake_cluster: Cluster, backend: FakeBackend, caplog: pytest.LogCaptureFixture
) -> None:
    def body() -> ArrayJob[Any]:
        with fake_cluster:
            arrays.append(scale.map([1]))
            raise KeyError("mistake")

    arrays: list[ArrayJob[Any]] = []
    with caplog.at_level(logging.WARNING), pytest.raises(KeyError):
        body()
    assert "is not submitted" in caplog.text
    assert backend.requests == []
    with pytest.raises(SubmissionError, match="left by an exception"):
        arrays[0].get_results()


def test_dependencies_are_added_until_it_is_submitted(
    active: Cluster, backend: FakeBackend, job: Job[Any]
) -> None:
    other = job_on(active, "8")
    array = scale.after(job).map([1]).after(other)
    array.submit()
    assert backend.requests[0].submit_options["dependency"] == "afterok:7:8"
    with pytest.raises(SubmissionError, match="has been submitted"):
        array.after(job)


def test_a_block_inside_leaves_the_arrays_around_it_alone(
    fake_cluster: Cluster, backend: FakeBackend, job: Job[Any]
) -> None:
    with fake_cluster:
        array = scale.map([1])
        with fake_cluster:
            inner = scale.map([2])
        assert (inner.is_submitted, array.is_submitted) == (True, False)
        with pytest.raises(KeyError), fake_cluster:
            raise KeyError
        array.after(job)
    assert array.is_submitted
    assert backend.requests[1].submit_options["dependency"] == "afterok:7"


def test_a_thread_that_fails_leaves_the_arrays_of_others_alone(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    def fail() -> None:
        with pytest.raises(KeyError), fake_cluster:
            raise KeyError

    def work() -> None:
        found.append(scale.map([2]))  # without a block of its own

    found: list[ArrayJob[Any]] = []
    with fake_cluster:
        found.append(scale.map([1]))
        for target in (fail, work):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        assert backend.requests == []
    assert [array.is_submitted for array in found] == [True, True]


def test_what_an_array_waits_for_is_checked_at_once(active: Cluster, backend: FakeBackend) -> None:
    array, other = scale.map([1]), scale.map([2])
    with pytest.raises(TypeError, match=r"array.after\(\) takes jobs.* not int"):
        array.after(5)  # type: ignore[arg-type]
    with pytest.raises(SubmissionError, match="cannot wait for itself"):
        array.after(array)
    array.after(other)
    other.afterany(array)
    with pytest.raises(SubmissionError, match="waits for an array that waits for it"):
        array.submit()
    assert backend.requests == []


def test_two_threads_submit_it_once(active: Cluster, backend: FakeBackend) -> None:
    array = scale.map([1])
    threads = [threading.Thread(target=array.submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(backend.requests) == 1


def test_one_that_was_cancelled_before_is_never_submitted(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with fake_cluster:
        array = scale.map([1])
        array.cancel()
    assert backend.requests == []
    with pytest.raises(SubmissionError, match="cancelled"):
        array.submit()


def test_cancelling_names_the_array_only(active: Cluster, backend: FakeBackend) -> None:
    array = scale.map(range(100)).submit()
    for job in array:
        backend.say(job.id, "PENDING")
    array.cancel()
    assert backend.cancelled == ["1"]


def test_an_array_that_is_refused_is_refused_as_an_argument_too(
    active: Cluster, backend: FakeBackend
) -> None:
    backend.refusal = SubmissionRefused("no such partition")
    with pytest.raises(SubmissionRefused, match="scale: no such partition"):
        total(scale.map([1]))


# --- dependencies --------------------------------------------------------------------------------


def test_an_array_as_an_argument_is_a_dependency_on_all_of_it(
    active: Cluster, backend: FakeBackend
) -> None:
    array = scale.map([1, 2])
    total(array)
    total([array[1], {"deep": array[0]}])
    whole, some = backend.requests[1:]
    assert whole.submit_options["dependency"] == "afterok:1"
    assert some.submit_options["dependency"] == "afterok:1_1:1_0"
    metadata = json.loads(whole.files["metadata.json"])
    assert metadata["dependencies"] == [{"job_id": "1", "type": "afterok"}]


def test_mapping_over_an_array_pairs_the_elements(active: Cluster, backend: FakeBackend) -> None:
    first = scale.map([1, 2, 3])
    scale.map(first).submit()
    scale.map(first[:2]).submit()
    scale.map(reversed(first[:])).submit()
    dependencies = [request.submit_options["dependency"] for request in backend.requests[1:]]
    assert dependencies == ["aftercorr:1", "afterok:1_0:1_1", "afterok:1_2:1_1:1_0"]


def test_every_way_to_wait(active: Cluster, backend: FakeBackend) -> None:
    for job_id in ("1", "2_0", "2_1"):
        backend.say(job_id, "PENDING")
    array, job = scale.map([1, 2]), scale(1)
    scale.afterany(job).afternotok(array).after(job)(1)
    scale.aftercorr(array).map([3, 4]).submit()
    scale.map([3, 4]).afterany(job).aftercorr(array).submit()
    dependencies = [request.submit_options["dependency"] for request in backend.requests[2:]]
    assert dependencies == [
        "afterok:1,afternotok:2",
        "aftercorr:2",
        "aftercorr:2,afterany:1",
    ]


def test_only_arrays_alike_are_paired(active: Cluster) -> None:
    array = scale.map([1, 2])
    with pytest.raises(ConfigError, match="same number of items"):
        scale.aftercorr(array).map([1, 2, 3]).submit()
    with pytest.raises(ConfigError, match=r"call \.map"):
        scale.aftercorr(array)(1)
    with pytest.raises(TypeError, match=r"aftercorr\(\) takes jobs"):
        scale.aftercorr([array])  # type: ignore[arg-type]


# --- results -------------------------------------------------------------------------------------


def test_results_come_together_and_in_order(active: Cluster, backend: FakeBackend) -> None:
    array = scale.map(range(3))
    finish(backend, array, *"abc")
    assert array.get_results(timeout=DEADLINE) == array.get_results() == ["a", "b", "c"]
    assert [len(paths) for paths in backend.reads] == [3]
    assert array.result(0) == ["a", "b", "c"]
    together = pickle.loads(backend.files[f"{array.get_results_dir()}/aggregated.pkl"])  # noqa: S301
    assert together == list("abc")
    assert (array.done(), array.is_successful(), array.exception(0)) == (True, True, None)


def test_the_first_failure_is_raised_with_its_index(active: Cluster, backend: FakeBackend) -> None:
    array = scale.map(range(3))
    backend.finish(array[1], KeyError("lost"))
    with pytest.raises(KeyError, match="lost") as raised:
        array.get_results(DEADLINE)
    assert vars(raised.value) == {
        "array_index": 1,
        "__notes__": ["raised by item 1 of 3 (job 1_1)"],
    }
    assert not array.is_completed()


def test_exceptions_may_stand_among_the_results(active: Cluster, backend: FakeBackend) -> None:
    array = scale.map(range(2))
    finish(backend, array, ValueError("no"), 2)
    error, value = array.get_results(DEADLINE, return_exceptions=True)
    assert (repr(error), value) == ("ValueError('no')", 2)
    assert isinstance(array.exception(0), ValueError)
    assert not any(path.endswith("aggregated.pkl") for path in backend.files)


def test_a_wait_ends_in_time(active: Cluster, backend: FakeBackend) -> None:
    array = scale.map(range(2))
    backend.say("1_0", "RUNNING")
    backend.say("1_1", "RUNNING")
    assert not array.wait(timeout=0.01)
    with pytest.raises(TimeoutError):
        array.get_results(0.01)
    with pytest.raises(TimeoutError):
        array.exception(0.01)
    assert array.is_running() is array[0].is_running()


def test_an_array_is_awaited(active: Cluster, backend: FakeBackend) -> None:
    array, failing = scale.map(range(2)), scale.map(range(2))
    finish(backend, array, 1, 2)
    backend.say(failing[0].id, "RUNNING")
    backend.finish(failing[1], ValueError("no"))

    async def both() -> list[Any]:
        assert await array == [1, 2]
        with pytest.raises(ValueError, match="no"):
            await failing
        return gather(array, return_exceptions=True)

    assert asyncio.run(both()) == [[1, 2]]


def test_items_of_a_pack_end_each_by_itself(active: Cluster, backend: FakeBackend) -> None:
    array = scale.map(range(3), pack=3)
    backend.say("1_0", "RUNNING")
    backend.finish(array[0], "first")
    assert array[0].get_result(DEADLINE) == "first"
    assert not array[1].is_completed()
    backend.files[array[1].directory.result] = backend.files[array[0].directory.result]
    backend.say("1_0", "TIMEOUT")
    assert array.wait(DEADLINE)
    assert array.wait()
    assert [str(job.get_status()) for job in array] == ["COMPLETED", "COMPLETED", "TIMEOUT"]


def test_an_element_that_slurm_forgot_while_it_waited_was_cancelled(
    active: Cluster, backend: FakeBackend
) -> None:
    waiting, started = scale.map(range(2))
    backend.files[started.directory.metadata] = b"{}"
    assert isinstance(waiting.exception(DEADLINE), JobCancelled)
    assert isinstance(started.exception(DEADLINE), JobLost)


def test_what_can_never_start_is_cancelled_in_one_go(active: Cluster, backend: FakeBackend) -> None:
    array = scale.map(range(5)).submit()
    for job in array:
        backend.say(job.id, "PENDING", reason="DependencyNeverSatisfied")
    assert array.wait(DEADLINE)
    assert backend.cancelled == [job.id for job in array]
