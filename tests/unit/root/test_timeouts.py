"""What is no timeout is refused at once, wherever one is taken; before anything is submitted or waited for."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend

from slurm import Cluster, as_completed, gather, task
from slurm.workflow import WorkflowContext

NO_TIMEOUTS: list[tuple[Any, type[Exception]]] = [
    ("5", TypeError),
    (True, TypeError),
    ([5], TypeError),
    (datetime.timedelta(seconds=5), TypeError),
    (float("nan"), ValueError),
    (-1, ValueError),
    (float("-inf"), ValueError),
    (-(10**400), ValueError),
]


@task
def train(value: int) -> int:
    return value


@pytest.fixture
def waits(
    fake_cluster: Cluster, backend: FakeBackend, tmp_path: Path
) -> dict[str, Callable[[Any], Any]]:
    """All that takes a timeout."""
    with fake_cluster:
        job = train(1)
        executor = fake_cluster.executor()
        future = executor.submit(train, 2)
    backend.finish(job, 7)
    backend.finish(future.job, 8)
    array = fake_cluster.map(train, [])
    context = WorkflowContext.__new__(WorkflowContext)
    return {
        "Job.wait": job.wait,
        "Job.get_result": job.get_result,
        "Job.result": job.result,
        "Job.exception": job.exception,
        "ArrayJob.wait": array.wait,
        "ArrayJob.get_results": array.get_results,
        "ArrayJob.result": array.result,
        "ArrayJob.exception": array.exception,
        "JobFuture.result": future.result,
        "JobFuture.exception": future.exception,
        "Executor.map": lambda timeout: executor.map(train, [], timeout=timeout),
        "gather": lambda timeout: gather(job, timeout=timeout),
        "as_completed": lambda timeout: as_completed([job], timeout=timeout),
        "get_latest_task_result": lambda timeout: context.get_latest_task_result("train", timeout),
        "drain_callbacks": fake_cluster.drain_callbacks,
    }


@pytest.mark.parametrize(("timeout", "error"), NO_TIMEOUTS, ids=repr)
def test_what_is_no_timeout_is_refused(
    timeout: Any, error: type[Exception], waits: dict[str, Callable[[Any], Any]]
) -> None:
    for name, wait in waits.items():
        with pytest.raises(error, match="timeout is a number of seconds") as refused:
            wait(timeout)
        assert repr(timeout) in str(refused.value), name


@pytest.mark.parametrize(
    "timeout", [None, 60, 60.5, decimal.Decimal(60), float("inf"), 1e300, 10**400], ids=repr
)
def test_any_number_from_0_on_is_one_and_more_than_a_thread_can_wait_is_no_end(
    timeout: Any, waits: dict[str, Callable[[Any], Any]]
) -> None:
    for name, wait in waits.items():
        if name != "get_latest_task_result":
            wait(timeout)
