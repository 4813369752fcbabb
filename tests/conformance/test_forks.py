"""Programs that fork after they have used a cluster, on every backend."""

from __future__ import annotations

import asyncio
import concurrent.futures
import multiprocessing
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.conformance.forking import forked, forks, in_child
from tests.conformance.sites import Gate, Site
from tests.conformance.waiting import PATIENCE

import conformance_tasks as tasks
from slurm import Cluster, as_completed, gather

pytestmark = forks

LARGE = 100_000  # more than comes with the news of a job's end


def test_parent_and_children_have_each_their_own_results(cluster: Cluster) -> None:
    """Each also of the jobs that it submits while the others do, and in a child's child."""
    cluster.backend.host()

    def calls(name: str, more: Callable[[], Any] = list) -> Any:
        jobs = [tasks.echo(name, number, "x" * LARGE) for number in range(2)]
        others = more()
        results = [job.get_result(PATIENCE)[0] for job in jobs]
        assert [result[:2] for result in results] == [(name, 0), (name, 1)]
        assert all(len(result[2]) == LARGE for result in results)
        return [job.id for job in jobs] + others

    with forked(
        partial(calls, "first"),
        partial(calls, "second", lambda: in_child(partial(calls, "second's"))),
    ) as children:
        own = calls("parent")
        ids = own + [job_id for child in children for job_id in child.result()]
    assert len(set(ids)) == 8


def test_a_child_waits_for_what_its_parent_has_submitted(cluster: Cluster, gate: Gate) -> None:
    """In every way there is, and so does the parent."""
    first = tasks.wait_for(gate.path, "first")
    array = tasks.echo.after(first).map(range(2), pack=2).submit()
    executor = cluster.executor()
    future = executor.submit(tasks.echo.unwrapped, first)

    async def awaited() -> Any:
        return await first

    def ways(opening: Callable[[], None]) -> Any:
        heard: list[str] = []
        first.add_done_callback(lambda job: heard.append(job.id))
        opening()
        while not array[0].done():
            time.sleep(0.01)
        done, left = concurrent.futures.wait([future], timeout=PATIENCE)
        return (
            [done == {future}, len(left), heard == [first.id], first.wait(PATIENCE)],
            [job.get_result() for job in as_completed([first, array[1]], PATIENCE)],
            gather(first, array),
            future.result(PATIENCE),
            asyncio.run(awaited()),
        )

    with forked(lambda: ways(gate.open)) as [child]:
        there = child.result()
    assert there == (
        [True, 0, True, True],
        ["first", ((1,), {})],
        ["first", [((0,), {}), ((1,), {})]],
        (("first",), {}),
        "first",
    )
    assert ways(lambda: None) == there
    executor.shutdown()


def test_what_waits_for_submission_is_submitted_once(client: Cluster, folder: str) -> None:
    """Whichever of parent and child comes first; what the child does not use is its parent's to submit."""

    def leave() -> Any:
        used_there = array.ids, batched.id
        own = tasks.echo.map(["the child's"])
        batch.__exit__(None, None, None)
        client.__exit__(None, None, None)
        return used_there, unused.is_submitted, unused_job.is_submitted, own.is_submitted

    with client:
        array = tasks.tally.map([(folder, "array")])
        unused = tasks.tally.map([(folder, "unused array")])
        batch = client.batch()
        with batch:
            batched = tasks.tally(folder, "batched")
            unused_job = tasks.tally(folder, "unused")
            there, *submitted = in_child(leave)
    assert there == (array.ids, batched.id)
    assert submitted == [False, False, True]
    jobs = [batched, unused_job, array[0], unused[0]]
    assert [job.get_result(PATIENCE) for job in jobs] == [None] * 4
    with client:
        ran = tasks.tallied.after(*jobs)(folder)
    assert ran.get_result(PATIENCE) == ["array", "batched", "unused", "unused array"]  # each once


POOLED: list[Cluster] = []


def pooled(number: int) -> tuple[int, int]:
    with POOLED[0]:
        return os.getpid(), tasks.double(number).get_result(PATIENCE)


def test_the_workers_of_a_pool_use_the_cluster_of_their_program(site: Site) -> None:
    """As servers do that load a program once, and then fork."""
    POOLED[:] = [site.connect()]
    fork = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(2, fork) as pool:
        answers = list(pool.map(pooled, range(4)))
    assert [answer[1] for answer in answers] == [0, 2, 4, 6]
    assert os.getpid() not in {answer[0] for answer in answers}
    assert pooled(5) == (os.getpid(), 10)
    POOLED.pop().close()


def test_the_processes_of_a_workflow_submit_its_children(cluster: Cluster) -> None:
    assert tasks.forking_workflow([1, 2]).get_result(PATIENCE) == {
        "here": 0,
        "there": [(1, 2, 200), (2, 4, 200)],
        "are children": True,
        "exit codes": [0, 0],
    }
