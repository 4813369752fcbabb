"""Tasks: what calling, deriving and pickling one does."""

from __future__ import annotations

import collections
import operator
import time
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend

from slurm import Cluster, JobContext, SlurmTask, WorkflowContext, task, workflow
from slurm.errors import ConfigError, NoActiveContext
from slurm.job_dir.arguments import load_arguments
from slurm.job_dir.payload import load_payload
from slurm.task import JobResultPlaceholder

Point = collections.namedtuple("Point", "x y")


@task
def bare(number: int) -> int:
    """Adds one."""
    return number + 1


@task(time="00:30:00", mem="4G", gres="gpu:1")
def tuned(number: int) -> int:
    return number


@workflow
def pipeline(ctx: WorkflowContext, rounds: int = 1) -> int:
    return rounds


@task
def odd_names(
    context: int, ctx: int, args: int, cluster: int, self: int, task: int = 0
) -> list[int]:
    return [context, ctx, args, cluster, self, task]


@task
def every_kind(first: int, /, second: int = 2, *rest: int, third: int, fourth: int = 4) -> Any:
    return first, second, rest, third, fourth


@task
def composed(number: int) -> int:
    return 10 * bare.unwrapped(number)


@task
def with_context(job: JobContext, number: int) -> int:
    return number


def plain(number: int) -> int:
    return number * 2


def call_of(backend: FakeBackend) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of the last call that was submitted, as the node will see them."""
    payload = load_payload(backend.requests[-1].files["payload.pkl"])
    return load_arguments(payload.arguments, lambda placeholder: placeholder)


# --- what a task is ------------------------------------------------------------------------------


def test_a_task_looks_like_its_function() -> None:
    assert isinstance(bare, SlurmTask)
    assert (bare.name, bare.__doc__) == ("bare", "Adds one.")
    assert bare.__module__ == __name__
    assert "bare" in repr(bare)


def test_the_plain_function_is_there() -> None:
    assert bare.unwrapped(1) == 2
    assert composed.unwrapped(1) == 20
    assert every_kind.unwrapped(1, third=3) == (1, 2, (), 3, 4)


def test_options_are_checked_when_the_task_is_made() -> None:
    assert tuned.options == {"time": "00:30:00", "mem": "4G", "gres": "gpu:1"}
    with pytest.raises(ConfigError, match="memm"):
        task(memm="4G")(plain)


@pytest.mark.parametrize("what", ["00:10:00", 5])
def test_what_is_no_function_is_no_task(what: Any) -> None:
    for decorator in (task, workflow):
        with pytest.raises(ConfigError, match=r"give options by name, as in @\w+\(time="):
            decorator(what)


@pytest.mark.parametrize("function", [time.sleep, max, int, operator.itemgetter(1)])
def test_any_callable_is_a_task(fake_cluster: Cluster, function: Any) -> None:
    assert fake_cluster.dry_run(task(function), [3, 4]).options["job-name"]


def test_the_explicit_form_names_its_cluster(fake_cluster: Cluster, backend: FakeBackend) -> None:
    submitter = bare.submit(cluster=fake_cluster, mem="3G")
    assert backend.requests == []
    job = submitter(5)
    assert job.task_name == "bare"
    assert backend.requests[0].options["mem"] == "3G"


def test_a_workflow_has_an_hour_unless_it_says_otherwise() -> None:
    assert pipeline.options["time"] == "01:00:00"
    assert workflow(time="02:00:00")(plain).options["time"] == "02:00:00"


def test_a_call_outside_of_a_cluster_names_the_plain_function() -> None:
    with pytest.raises(NoActiveContext) as caught:
        bare(1)
    assert "bare.unwrapped(...)" in str(caught.value)
    assert "with Cluster" in str(caught.value)
    assert isinstance(caught.value, RuntimeError)


# --- calls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("some", "args", "kwargs"),
    [
        (bare, (), {}),
        (bare, (1, 2), {}),
        (bare, (1,), {"numbr": 1}),
        (bare, (1,), {"number": 1}),
        (every_kind, (), {"first": 1, "third": 3}),
        (every_kind, (1, 2), {}),
        (with_context, (), {}),
        (with_context, (1, 2), {}),
        (pipeline, (1, 2), {}),
    ],
)
def test_a_wrong_call_raises_before_anything_is_submitted(
    some: Any, args: tuple[Any, ...], kwargs: dict[str, Any], fake_cluster: Cluster, backend: Any
) -> None:
    with fake_cluster:
        calls: list[Any] = [some, some.submit(fake_cluster), fake_cluster.submit(some)]
        for call in calls:
            with pytest.raises(TypeError, match=rf"^{some.name}\(\) "):
                call(*args, **kwargs)
    assert backend.requests == []


def test_arguments_arrive_as_they_were_given(fake_cluster: Cluster, backend: FakeBackend) -> None:
    with fake_cluster:
        every_kind(1, 2, 3, third=Point(3, [4]), fourth=5)  # type: ignore[arg-type]
    assert call_of(backend) == ((1, 2, 3), {"third": Point(3, [4]), "fourth": 5})


def test_parameters_may_have_any_name_by_position(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with fake_cluster:
        odd_names(1, 2, 3, 4, 5)
    assert call_of(backend) == ((1, 2, 3, 4, 5), {})


NAMES = {"context": 1, "ctx": 2, "args": 3, "cluster": 4, "self": 5, "task": 6}


@pytest.mark.parametrize("way", ["call", "task.submit", "cluster.submit"])
def test_parameters_may_have_any_name_by_keyword(
    way: str, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    call: Any = {
        "call": odd_names,
        "task.submit": odd_names.submit(fake_cluster),
        "cluster.submit": fake_cluster.submit(odd_names),
    }[way]
    with fake_cluster:
        call(**NAMES)
    assert call_of(backend) == ((), NAMES)


def test_parameters_may_have_any_name_in_a_dry_run(fake_cluster: Cluster) -> None:
    dry_run: Any = fake_cluster.dry_run
    payload = load_payload(dry_run(odd_names, **NAMES).files["payload.pkl"])
    assert load_arguments(payload.arguments, lambda p: p) == ((), NAMES)


def test_a_job_among_the_arguments_is_a_dependency(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with fake_cluster:
        first: Any = bare(1)
        backend.say(first.id, "RUNNING")
        second = tuned(Point([first], first))  # type: ignore[arg-type]
    assert second.dependencies == (first,)
    assert backend.requests[-1].submit_options["dependency"] == f"afterok:{first.id}"
    (arrived,), _ = call_of(backend)
    assert type(arrived.y) is JobResultPlaceholder
    assert type(arrived.y).__name__ == "JobResultPlaceholder"
    assert arrived.y.job_id == first.id
    assert arrived.y.job_dir == first.job_dir


# --- deriving ------------------------------------------------------------------------------------


def test_with_options_leaves_the_task_as_it_was() -> None:
    bigger = tuned.with_options(mem="8G", partition="gpu")
    assert bigger is not tuned
    assert bigger.options == {**tuned.options, "mem": "8G", "partition": "gpu"}
    assert tuned.options["mem"] == "4G"
    assert bigger.unwrapped is tuned.unwrapped
    with pytest.raises(ConfigError, match="partitoin"):
        tuned.with_options(partitoin="gpu")


def test_a_call_has_the_options_of_the_derived_task(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with fake_cluster:
        tuned.with_options(partition="gpu")(5)
    options = backend.requests[0].options
    assert (options["partition"], options["mem"]) == ("gpu", "4G")


def test_after_leaves_the_task_as_it_was(fake_cluster: Cluster, backend: FakeBackend) -> None:
    with fake_cluster:
        first, second = bare(1), bare(2)
        for job in (first, second):
            backend.say(job.id, "RUNNING")
        later = bare.after(first)
        both = later.after(second).with_options(mem="2G")
        assert bare(3).dependencies == ()
        assert later(3).dependencies == (first,)
        assert both(3).dependencies == (first, second)
    assert later is not bare
    assert bare._pending_dependencies == []
    assert [one.on for one in later._pending_dependencies] == [first]
    assert [one.on for one in both._pending_dependencies] == [first, second]
    assert both.options["mem"] == "2G"


def test_dependencies_of_after_and_of_the_arguments_are_merged(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with fake_cluster:
        first, second, argument = bare(1), bare(2), bare(3)
        for job in (first, second, argument):
            backend.say(job.id, "RUNNING")
        job = bare.after(first, second)(argument)
    assert set(job.dependencies) == {first, second, argument}


def test_a_job_twice_is_one_dependency(fake_cluster: Cluster, backend: FakeBackend) -> None:
    with fake_cluster:
        first: Any = bare(1)
        backend.say(first.id, "RUNNING")
        job = bare.after(first, first)(first)
    assert job.dependencies == (first,)


@pytest.mark.parametrize("what", ["12345", 12345, ["a list"], None])
def test_after_something_that_is_no_job_is_refused_at_once(what: Any) -> None:
    with pytest.raises((TypeError, ConfigError)):
        bare.after(what)


def test_deriving_keeps_a_workflow_a_workflow(fake_cluster: Cluster) -> None:
    derived = pipeline.with_options(mem="1G").after()
    assert derived._is_workflow is True
    assert bare._is_workflow is False
    assert fake_cluster.dry_run(derived).orchestrator


# --- keys ----------------------------------------------------------------------------------------


def test_the_same_key_is_the_same_submission(fake_cluster: Cluster, backend: FakeBackend) -> None:
    for key in ("run/1", "run/1", "run/2", None, None):
        bare.submit(fake_cluster, key=key)(1)
    tokens = [request.token for request in backend.requests]
    assert tokens[0] == tokens[1]
    assert len(set(tokens)) == 4
    assert all(token.isalnum() for token in tokens)


def test_an_empty_key_is_refused(fake_cluster: Cluster, backend: FakeBackend) -> None:
    with pytest.raises(ConfigError, match="key"):
        bare.submit(fake_cluster, key="")(1)
    assert backend.requests == []
