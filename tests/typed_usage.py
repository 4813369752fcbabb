"""What type checkers must say of a user's program. Checked by ``make lint``, never run.

An error that is expected carries ``type: ignore`` with its code: under ``mypy --strict`` one that
does not occur is an error itself.
"""

from __future__ import annotations

from typing_extensions import assert_type

from slurm import Cluster, Job, JobContext, SlurmTask, WorkflowContext, task, workflow


@task
def train(steps: int, *, rate: float = 0.1) -> float:
    return steps * rate


@task(time="00:05:00", mem="1G")
def evaluate(job: JobContext, weight: float, name: str = "model") -> str:
    return f"{job.job_id} {name} {weight}"


@task
def total(weights: list[float]) -> float:
    return sum(weights)


@workflow
def pipeline(ctx: WorkflowContext, steps: list[int]) -> dict[str, float]:
    return {"total": total([train(n) for n in steps]).get_result()}


def arguments_keep_their_types() -> None:
    assert_type(train(3, rate=0.5), Job[float])
    assert_type(train.unwrapped(3, rate=0.5), float)
    train("3")  # type: ignore[arg-type]
    train(3, speed=1)  # type: ignore[call-arg]
    train()  # type: ignore[call-arg]


def a_job_stands_where_its_result_is_expected() -> None:
    model = train(20)
    assert_type(evaluate(model), Job[str])
    assert_type(evaluate(weight=model, name="last"), Job[str])
    assert_type(total([train(1), train(2), 0.5]), Job[float])
    evaluate(model, 3)  # type: ignore[arg-type]


def results_have_the_tasks_return_type() -> None:
    assert_type(train(1).get_result(), float)
    assert_type(evaluate(1.0).get_result(timeout=5), str)
    assert_type(pipeline([1, 2]).get_result(), dict[str, float])
    text: int = evaluate(1.0).get_result()  # type: ignore[assignment]
    print(text)


def a_context_in_front_is_not_the_callers_to_give() -> None:
    evaluate(1.0)
    pipeline([1])
    pipeline()  # type: ignore[call-arg]


def derived_tasks_and_submitters_keep_the_signature(cluster: Cluster) -> None:
    assert_type(train.with_options(mem="2G")(1), Job[float])
    assert_type(train.after(train(1))(2), Job[float])
    assert_type(train.submit(cluster=cluster, key="once")(1, rate=0.2), Job[float])
    train.submit(cluster)("1")  # type: ignore[arg-type]
    derived: SlurmTask[[int], float] = total  # type: ignore[assignment]
    print(derived)
