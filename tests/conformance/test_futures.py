"""Jobs with the words of ``concurrent.futures`` and ``asyncio``."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, NamedTuple

import pytest
from tests.conformance.sites import Gate
from tests.conformance.waiting import PATIENCE, wait_until

import conformance_tasks as tasks
from slurm import Cluster, Job, as_completed, gather


class Ended(NamedTuple):
    good: Job[int]
    bad: Job[int]


@pytest.fixture(scope="module")
def ended(client: Cluster) -> Ended:
    return Ended(tasks.double.submit(client)(4), tasks.fail.submit(client)("no"))


def test_a_job_answers_as_a_future_does(ended: Ended) -> None:
    assert ended.good.result(PATIENCE) == 8
    assert ended.good.exception() is None
    assert ended.good.done()
    assert isinstance(ended.bad.exception(PATIENCE), tasks.Unlucky)
    with pytest.raises(tasks.Unlucky, match="no"):
        ended.bad.result()


def test_gather_gives_results_in_the_order_of_its_jobs(ended: Ended) -> None:
    assert gather(ended.good, ended.good) == [8, 8]
    with pytest.raises(tasks.Unlucky, match="no"):
        gather(ended.good, ended.bad)
    error, value = gather(ended.bad, ended.good, return_exceptions=True)
    assert isinstance(error, tasks.Unlucky)
    assert value == 8


def test_a_callback_that_comes_late_is_called_at_once(ended: Ended) -> None:
    ended.good.wait(PATIENCE)
    called: list[Job[int]] = []
    ended.good.add_done_callback(called.append)
    assert called == [ended.good]


def test_a_job_that_waits_says_what_for(client: Cluster, gate: Gate) -> None:
    blocking = tasks.wait_for.submit(client)(gate.path, 5)
    waiting = tasks.double.submit(client)(blocking)
    wait_until(lambda: "PENDING (Dependency)" in repr(waiting), "the scheduler's reason is known")
    with pytest.raises(TimeoutError, match=rf"job {waiting.id} .* is PENDING \(Dependency\)"):
        waiting.result(timeout=0.01)
    gate.open()
    assert waiting.result(PATIENCE) == 10
    assert repr(waiting) == f"<Job {waiting.id} double COMPLETED>"


def test_a_running_job_is_a_future_that_is_not_done(
    client: Cluster, gate: Gate, ended: Ended, caplog: pytest.LogCaptureFixture
) -> None:
    slow = tasks.wait_for.submit(client)(gate.path, 5)
    called: list[Any] = []
    following: list[Job[int]] = []
    told = threading.Event()

    def broken(_: Job[Any]) -> None:
        raise RuntimeError("not my day")

    def go_on(job: Job[Any]) -> None:
        following.append(tasks.double.submit(client)(job.result()))
        told.set()

    for callback in (called.append, broken, go_on):
        slow.add_done_callback(callback)
    ended.good.wait(PATIENCE)
    with pytest.raises(TimeoutError, match="1 of 2 jobs"):
        list(as_completed([slow, ended.good], timeout=0.01))
    with pytest.raises(TimeoutError, match=f"job {slow.id} "):
        slow.exception(timeout=0.01)
    order = as_completed([slow, ended.good, ended.good], PATIENCE)
    assert next(order) is ended.good
    assert called == []
    assert not slow.done()
    gate.open()
    assert list(order) == [slow]
    assert told.wait(PATIENCE)
    assert called == [slow]
    assert "not my day" in caplog.text
    assert following[0].get_result(PATIENCE) == 10


def test_jobs_can_be_awaited_beside_each_other(cluster: Cluster, ended: Ended) -> None:
    async def program() -> list[Any]:
        last: Any = tasks.double(ended.good)
        assert await gather(ended.good, last) == [8, 16]
        return list(await asyncio.gather(ended.good, last, ended.bad, return_exceptions=True))

    first, second, third = asyncio.run(asyncio.wait_for(program(), PATIENCE))
    assert (first, second) == (8, 16)
    assert isinstance(third, tasks.Unlucky)
