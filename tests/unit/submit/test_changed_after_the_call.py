"""What a program goes on changing after a call: a job gets what it was when the task was called."""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend

from slurm import ArrayJob, Cluster, SlurmTask, WorkflowContext, task
from slurm.api.requests import JobRequest
from slurm.context import activated
from slurm.errors import SerializationError, SubmissionError
from slurm.job_dir.arguments import load_arguments
from slurm.job_dir.payload import load_payload
from slurm.job_dir.placeholder import JobResultPlaceholder


@task
def keep(value: Any, more: Any = None) -> Any:
    return value


def sent(request: JobRequest) -> list[Any]:
    """The first argument of every call in a request, placeholders as they are."""
    payload = load_payload(request.files["payload.pkl"])
    if "items.pkl" not in request.files:
        args, kwargs = load_arguments(payload.arguments, lambda found: found, later=payload.later)
        return [args[0] if args else kwargs["value"]]
    values = []
    for begin, _ in payload.items:
        file = io.BytesIO(request.files["items.pkl"][begin:])
        args, kwargs = load_arguments(file, lambda found: found, later=payload.later)
        values.append(args[0] if args else kwargs["value"])
    return values


def all_sent(backend: FakeBackend) -> list[Any]:
    return [sent(request) for request in backend.requests]


def one_by_one(cluster: Cluster, values: Iterator[Any]) -> None:
    for value in values:
        keep(value)


def in_a_batch(cluster: Cluster, values: Iterator[Any]) -> None:
    with cluster.batch():
        one_by_one(cluster, values)


def as_arrays(cluster: Cluster, values: Iterator[Any]) -> None:
    _ = [keep.map([(value,)]) for value in values]


def as_arrays_in_a_batch(cluster: Cluster, values: Iterator[Any]) -> None:
    with cluster.batch():
        as_arrays(cluster, values)


def as_arrays_that_wait(cluster: Cluster, values: Iterator[Any]) -> None:
    first = keep.map([0])
    arrays = [keep.after(first).map([(value, 0)]).after(first) for value in values]
    for array in reversed(arrays):
        assert not array.is_submitted


def as_keywords(cluster: Cluster, values: Iterator[Any]) -> None:
    item: dict[str, Any] = {}
    for value in values:
        item["value"] = value
        cluster.map(keep, [item])


def in_a_workflow(cluster: Cluster, values: Iterator[Any]) -> None:
    with activated(WorkflowContext(cluster)):
        as_arrays(cluster, values)


@pytest.mark.parametrize(
    "submit",
    [
        *(one_by_one, in_a_batch, as_arrays, as_arrays_in_a_batch),
        *(as_arrays_that_wait, as_keywords, in_a_workflow),
    ],
)
def test_a_call_takes_its_arguments_as_they_are(
    submit: Callable[[Cluster, Iterator[Any]], None], fake_cluster: Cluster, backend: FakeBackend
) -> None:
    config: dict[str, list[int]] = {"numbers": []}

    def changing() -> Iterator[Any]:
        for number in range(3):
            config["numbers"].append(number)
            yield config

    with fake_cluster:
        submit(fake_cluster, changing())
        config["numbers"].clear()
    fake_cluster.submit_waiting()
    found = [values for values in all_sent(backend) if values != [0]]
    assert found == [[{"numbers": [*range(n)]}] for n in (1, 2, 3)]


@pytest.mark.parametrize(
    "wrap", [lambda item: item, lambda item: (item, 1), lambda item: {"value": item}]
)
def test_a_generator_may_give_the_same_object_again_and_again(
    wrap: Callable[[Any], Any], fake_cluster: Cluster, backend: FakeBackend
) -> None:
    def items() -> Iterator[Any]:
        same: list[int] = []
        for number in range(3):
            same.append(number)
            yield wrap(same)

    assert len(fake_cluster.map(keep, items()).submit()) == 3
    assert all_sent(backend) == [[[0], [0, 1], [0, 1, 2]]]


def test_an_executor_takes_its_items_one_by_one_too(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    def items() -> Iterator[list[int]]:
        same: list[int] = []
        for number in range(3):
            same.append(number)
            yield same

    fake_cluster.executor().map(keep, items(), [7, 8, 9, 10])
    assert all_sent(backend) == [[[0], [0, 1], [0, 1, 2]]]


def test_what_a_function_sent_by_value_captures_is_as_it_was(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    captured = [1]
    fake = task(lambda value: (captured, value))
    array = fake_cluster.map(fake, [1])
    captured.append(2)
    array.submit()
    sent_function = load_payload(backend.requests[0].files["payload.pkl"]).function
    function = pickle.loads(sent_function.pickled)  # noqa: S301 - a file of this test
    assert function(1) == ([1], 1)


def test_settings_are_as_they_were_given(fake_cluster: Cluster, backend: FakeBackend) -> None:
    packaging: dict[str, Any] = {"type": "none", "pythonpath": ["/mine"]}
    options = {"mem": "1G"}
    after = [fake_cluster.submit(keep)(1)]
    bound: SlurmTask[..., Any] = SlurmTask(keep.unwrapped, options=options, packaging=packaging)
    array = fake_cluster.map(bound, [1], after=after)
    packaging["pythonpath"].append("/another")
    packaging["type"] = "wheel"
    options["mem"] = "2G"
    after.clear()
    array.submit()
    request = backend.requests[-1]
    assert "/mine" in load_payload(request.files["payload.pkl"]).sys_path
    assert "/another" not in load_payload(request.files["payload.pkl"]).sys_path
    assert (request.options["mem"], request.submit_options["dependency"]) == ("1G", "afterok:1")


def test_what_cannot_be_pickled_is_said_at_the_call(fake_cluster: Cluster) -> None:
    with pytest.raises(SerializationError, match="cannot be pickled"), fake_cluster:
        keep.map([1, (value for value in "generator")])


def test_jobs_without_an_id_yet_are_dependencies_all_the_same(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    """Those of an open batch, and arrays that wait: mapping over them submits nothing."""
    with fake_cluster, fake_cluster.batch():
        first, second = keep(1), keep(2)
        waiting = keep.map([3, 4])
        array = keep.map([first, [second, first], (waiting,), 5])
        assert backend.requests == []
        assert not waiting.is_submitted
    assert array.is_submitted
    placeholders = [JobResultPlaceholder(job.id, job.job_dir) for job in (first, second)]
    whole = JobResultPlaceholder(waiting.id, waiting.job_dir, 2)
    expected = [placeholders[0], placeholders[::-1], whole, 5]
    assert sent(backend.requests[-1]) == expected
    assert {dependency.on for dependency in array[0]._record.waits_for} == {first, second, waiting}
    assert [len(together) for together in backend.submissions] == [2, 1, 1]


def test_a_job_of_a_batch_that_was_refused_is_told_when_the_array_is_submitted(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with fake_cluster:
        with contextlib.suppress(ZeroDivisionError), fake_cluster.batch():
            first = keep(1)
            array: ArrayJob[Any] = keep.map([first])
            _ = 1 / 0
        with pytest.raises(SubmissionError, match="left by an exception"):
            array.submit()


def test_the_elements_of_one_array_still_pair_with_the_items_of_another(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with fake_cluster:
        first = keep.map([1, 2])
        second = keep.map(first).submit()
    assert backend.requests[-1].submit_options["dependency"] == f"aftercorr:{first.id}"
    assert sent(backend.requests[-1]) == [
        JobResultPlaceholder(job.id, job.job_dir) for job in first
    ]
    assert len(second) == 2
