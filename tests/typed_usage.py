"""What type checkers must say of a user's program. Checked by ``make lint`` with mypy and pyright, never run.

An error that is expected carries ``type: ignore`` with mypy's code and ``pyright: ignore`` with pyright's rule: to
both, one that does not occur is an error itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from typing_extensions import assert_type

from slurm import (
    ArrayJob,
    Cluster,
    Job,
    JobContext,
    SlurmTask,
    WorkflowContext,
    as_completed,
    gather,
    task,
    workflow,
)
from slurm.executor import JobFuture


@dataclass(frozen=True)
class Score:
    name: str
    loss: float


@task
def train(steps: int, *, rate: float = 0.1) -> float:
    return steps * rate


@task(time="00:05:00", mem="1G")
def evaluate(job: JobContext, weight: float, name: str = "model") -> str:
    return f"{job.job_id} {name} {weight}"


@task
def scale(weight: float, /, factor: float) -> float:
    return weight * factor


@task
def total(weights: list[float]) -> float:
    return sum(weights)


@task
def report(scores: dict[str, tuple[Score, ...]]) -> str:
    return ", ".join(scores)


@task
def plot(curve: list[float] | Job[list[float]], title: str | None = None) -> bytes:
    values: list[float] = curve
    return f"{title}: {values[-1]}".encode()


@task
def history(steps: int) -> list[float]:
    return [1 / step for step in range(1, steps)]


@workflow
def pipeline(ctx: WorkflowContext, steps: list[int]) -> dict[str, float]:
    return {"total": total([train(n) for n in steps]).get_result()}


@workflow(time="02:00:00")
def plain(steps: int) -> float:
    return train(steps).get_result()


def arguments_keep_their_types() -> None:
    assert_type(train(3, rate=0.5), Job[float])
    assert_type(train.unwrapped(3, rate=0.5), float)
    train("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    train(3, speed=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    train()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def a_workflow_function_takes_a_context_of_a_test() -> None:
    ctx = WorkflowContext(workflow_job_id=42, workflow_job_dir="workflow", local_mode=True)
    assert_type(pipeline.unwrapped(ctx, [1]), dict[str, float])
    WorkflowContext(workflow_dir="workflow")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def keyword_only_and_positional_only_parameters_stay_so() -> None:
    assert_type(scale(1.5, factor=2), Job[float])
    assert_type(scale(1.5, 2), Job[float])
    train(3, 0.5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    scale(weight=1.5, factor=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def a_job_stands_where_its_result_is_expected() -> None:
    model = train(20)
    assert_type(evaluate(model), Job[str])
    assert_type(evaluate(weight=model, name="last"), Job[str])
    evaluate(model, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def a_job_stands_for_its_result_inside_of_containers() -> None:
    model = train(20)
    assert_type(total([train(1), model, 0.5]), Job[float])
    assert_type(report({"last": (Score("last", model),)}), Job[str])
    total(["0.5"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    report({1: ()})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    total([model, "0.5"])  # type: ignore[list-item]  # pyright lets anything pass beside a job


def a_task_may_name_the_job_in_its_signature() -> None:
    assert_type(plot([0.5, 0.25]), Job[bytes])
    assert_type(plot(history(5), title="loss"), Job[bytes])
    plot("loss")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def results_have_the_tasks_return_type() -> None:
    assert_type(train(1).get_result(), float)
    assert_type(evaluate(1.0).result(timeout=5), str)
    assert_type(history(3).get_result()[0], float)
    assert_type(pipeline([1, 2]).get_result(), dict[str, float])
    len(train(1).get_result())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    text: int = evaluate(1.0).get_result()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(text)


async def jobs_are_awaited() -> None:
    assert_type(await train(1), float)
    assert_type(await train.map([1, 2]), list[float])


def an_array_is_a_sequence_of_jobs_and_a_future_of_their_results() -> None:
    losses = train.map([1, 2, (3,), {"steps": 4, "rate": 0.2}], max_concurrent=2, pack=2)
    assert_type(losses, ArrayJob[float])
    assert_type(losses[0], Job[float])
    assert_type(losses[1:], list[Job[float]])
    assert_type([job.get_result() for job in losses], list[float])
    assert_type(list(losses), list[Job[float]])
    assert_type(losses.get_results(timeout=60), list[float])
    assert_type(losses.after(train(1)), ArrayJob[float])
    for job in as_completed(losses):
        assert_type(job, Job[float])
    train.map(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    losses["0"]  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]


def an_array_stands_where_its_results_are_expected() -> None:
    losses = train.map([1, 2])
    assert_type(total(losses), Job[float])
    assert_type(total([losses[0], 0.5]), Job[float])
    assert_type(evaluate(losses[0]), Job[str])
    assert_type(report.map([{"all": losses}]), ArrayJob[str])


def several_jobs_at_once() -> None:
    jobs = [train(1), train(2)]
    for job in as_completed(jobs, timeout=60):
        assert_type(job.get_result(), float)
    assert_type(list(gather(*jobs, train.map([1, 2]), return_exceptions=True)), list[Any])
    gather(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@task
async def fetch(url: str, *, retries: int = 3) -> bytes:
    return url.encode() * retries


@workflow(time="02:00:00")
async def fetch_all(ctx: WorkflowContext, urls: list[str]) -> list[bytes]:
    return fetch.map(urls)


@workflow
def last_loss(ctx: WorkflowContext, steps: int) -> Job[float]:
    return train(steps)


@task(mem="1G")
def says_float_and_returns_a_job(steps: int) -> float:
    return train(steps)


def what_coroutines_and_jobs_come_to(cluster: Cluster) -> None:
    assert_type(fetch("a", retries=1), Job[bytes])
    assert_type(fetch.map(["a"]), ArrayJob[bytes])
    assert_type(fetch_all(["a"]), Job[list[bytes]])
    assert_type(last_loss(3), Job[float])
    assert_type(last_loss(3).get_result(), float)
    assert_type(says_float_and_returns_a_job(3).get_result(), float)
    assert_type(cluster.executor().submit(fetch, "a"), JobFuture[bytes])
    assert_type(cluster.executor().submit(unadorned, "a"), JobFuture[int])
    fetch(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def unadorned(text: str) -> int:
    return len(text)


async def several_jobs_are_awaited() -> None:
    assert_type(await gather(train(1), train.map([1, 2])), list[Any])


def an_exception_leaves_the_block(cluster: Cluster) -> float:
    with cluster:
        return train(1).get_result()


def what_an_array_waits_for(array: ArrayJob[float], job: Job[float]) -> None:
    assert_type(array.dependencies, tuple[Job[Any] | ArrayJob[Any], ...])
    assert_type(job.dependencies, tuple[Job[Any] | ArrayJob[Any], ...])


def a_context_in_front_is_not_the_callers_to_give() -> None:
    assert_type(evaluate(1.0), Job[str])
    assert_type(pipeline([1]), Job[dict[str, float]])
    assert_type(plain(1), Job[float])
    pipeline()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    pipeline(["1"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


def derived_tasks_and_submitters_keep_the_signature() -> None:
    assert_type(train.with_options(mem="2G")(1), Job[float])
    assert_type(train.after(train(1))(2), Job[float])
    assert_type(train.afterany(train(1)).afternotok(train.map([1]))(2), Job[float])
    assert_type(total.aftercorr(train.map([1, 2])).map([[0.5], [0.25]]), ArrayJob[float])
    assert_type(pipeline.after(train(1)).with_options(mem="2G")([2]), Job[dict[str, float]])
    train.with_options(mem="2G")("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    train.after(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    derived: SlurmTask[[int], float] = total  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(derived)


def submissions_to_a_named_cluster_keep_the_signature() -> None:
    with Cluster("local") as cluster:
        assert_type(train.submit(cluster=cluster, key="once")(1, rate=0.2), Job[float])
        assert_type(cluster.submit(train, after=train(1), mem="2G")(1, rate=0.2), Job[float])
        train.submit(cluster)("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert_type(cluster.map(train, [1, 2], pack=2, mem="2G"), ArrayJob[float])
        assert_type(cluster.map(train, [1, 2], pack=2, item_dirs=True), ArrayJob[float])


def an_executor_keeps_the_signature() -> None:
    with Cluster("local").executor(mem="2G") as executor:
        assert_type(executor.submit(train, 1, rate=0.2), JobFuture[float])
        assert_type(executor.submit(len, "abc").result(), int)
        assert_type(executor.map(train, [1, 2], chunksize=2), Iterator[float])
        assert_type(executor.map(len, ["abc"]), Iterator[int])
        executor.submit(train, "1")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
