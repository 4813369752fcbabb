"""Which cluster is active where: in threads, pools and asyncio, and after all of them."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend, job_on
from tests.helpers.processes import RunPython

from slurm import Cluster, get_active_context, set_active_context, task
from slurm.context import activated, loading_script, reset_active_context, set_default_context
from slurm.errors import NoActiveContext, NoMainGuard, SlurmError


@pytest.fixture
def clusters(tmp_path: Path) -> Iterator[tuple[Cluster, Cluster]]:
    """Two clusters that are never connected to."""
    made = Cluster("slurm", job_base_dir=tmp_path), Cluster("slurm", job_base_dir=tmp_path)
    yield made
    for cluster in made:
        cluster.close()


@pytest.fixture
def cluster(clusters: tuple[Cluster, Cluster]) -> Cluster:
    return clusters[0]


def in_a_thread(function: Callable[[], Any]) -> Any:
    """What `function` returns when a new thread calls it."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def test_a_thread_sees_the_cluster_that_was_active_where_it_was_started(cluster: Cluster) -> None:
    assert in_a_thread(get_active_context) is None
    with cluster:
        assert in_a_thread(get_active_context) is cluster
        assert in_a_thread(lambda: in_a_thread(get_active_context)) is cluster
    assert in_a_thread(get_active_context) is None


def test_threads_of_any_class_and_timers_see_it(cluster: Cluster) -> None:
    found = []

    class Overriding(threading.Thread):
        def run(self) -> None:
            found.append(get_active_context())

    with cluster:
        threads = [
            Overriding(),
            threading.Timer(0, lambda: found.append(get_active_context())),
        ]
        for thread in threads:
            thread.start()
            thread.join()
    assert found == [cluster, cluster]


def test_a_thread_that_outlives_the_block_keeps_what_it_began_with(cluster: Cluster) -> None:
    left, found = threading.Event(), []

    def outlive() -> None:
        left.wait()
        found.append(get_active_context())

    thread = threading.Thread(target=outlive)
    with cluster:
        thread.start()
    left.set()
    thread.join()
    assert found == [cluster]


def test_a_block_in_a_thread_lies_over_what_it_inherited(
    clusters: tuple[Cluster, Cluster],
) -> None:
    outer, inner = clusters

    def nested() -> list[Any]:
        seen = [get_active_context()]
        with inner:
            seen.append(get_active_context())
        return [*seen, get_active_context()]

    with outer:
        assert in_a_thread(nested) == [outer, inner, outer]


def test_two_clusters_in_two_threads_never_see_each_other(
    clusters: tuple[Cluster, Cluster],
) -> None:
    barrier = threading.Barrier(2)
    seen: dict[Cluster, list[Any]] = {cluster: [] for cluster in clusters}

    def work(cluster: Cluster) -> None:
        for _ in range(20):
            barrier.wait()
            seen[cluster].append(get_active_context())
            with cluster:
                barrier.wait()
                seen[cluster] += [get_active_context(), in_a_thread(get_active_context)]
                with ThreadPoolExecutor(1) as pool:
                    seen[cluster].append(pool.submit(get_active_context).result())
                barrier.wait()

    threads = [threading.Thread(target=work, args=(cluster,)) for cluster in clusters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for cluster in clusters:
        assert seen[cluster] == [None, cluster, cluster, cluster] * 20


def test_a_pool_runs_a_function_where_it_was_submitted_not_where_its_thread_began(
    clusters: tuple[Cluster, Cluster],
) -> None:
    first, second = clusters
    with ThreadPoolExecutor(1) as pool:
        with first:
            assert pool.submit(get_active_context).result() is first
            with second:
                assert list(pool.map(lambda _: get_active_context(), "ab")) == [second] * 2
            assert pool.submit(in_a_thread, get_active_context).result() is first
        assert pool.submit(get_active_context).result() is None
        assert pool.submit(in_a_thread, get_active_context).result() is None


def test_a_function_in_a_pool_leaves_nothing_behind(clusters: tuple[Cluster, Cluster]) -> None:
    first, second = clusters
    with first, ThreadPoolExecutor(1) as pool:
        pool.submit(set_active_context, second).result()
        assert pool.submit(get_active_context).result() is first


def test_a_pool_hands_over_arguments_results_and_exceptions(cluster: Cluster) -> None:
    with cluster, ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda *args, **kwargs: (args, kwargs), 1, fn=2).result() == (
            (1,),
            {"fn": 2},
        )
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result()


def test_a_pool_of_interpreters_gets_its_functions_as_they_are(cluster: Cluster) -> None:
    """They are pickled, which a context cannot be."""
    of_python_314 = {"__module__": "concurrent.futures.interpreter"}
    pool = type("InterpreterPoolExecutor", (ThreadPoolExecutor,), of_python_314)(1)
    with pool:
        pool.submit(int).result()  # starts the thread, outside of all
        with cluster:
            assert pool.submit(get_active_context).result() is None


def test_a_thread_with_a_context_of_its_own_inherits_nothing(cluster: Cluster) -> None:
    found = []
    thread = threading.Thread(target=lambda: found.append(get_active_context()))
    thread._context = contextvars.Context()  # type: ignore[attr-defined]  # Python 3.14: Thread(context=...)
    with cluster:
        thread.start()
        thread.join()
    assert found == [None]


def test_a_thread_pool_of_multiprocessing_sees_what_was_active_where_it_was_made(
    cluster: Cluster,
) -> None:
    with cluster:
        pool = ThreadPool(1)
    with pool:
        assert pool.apply(get_active_context) is cluster
    pool.join()


def test_asyncio_sees_it_in_tasks_and_in_the_threads_it_uses(
    clusters: tuple[Cluster, Cluster],
) -> None:
    first, second = clusters

    async def looks(cluster: Cluster) -> list[Any]:
        loop = asyncio.get_running_loop()
        with cluster:
            await asyncio.sleep(0)
            return [
                get_active_context(),
                await asyncio.create_task(asyncio.to_thread(get_active_context)),
                await loop.run_in_executor(None, get_active_context),
            ]

    async def both() -> Any:
        seen = await asyncio.gather(looks(first), looks(second))
        return [*seen, await asyncio.to_thread(get_active_context)]

    expected = [[first] * 3, [second] * 3, None]
    assert asyncio.run(both()) == expected


def test_asyncio_in_a_thread_sees_what_the_thread_inherited(cluster: Cluster) -> None:
    async def looks() -> list[Any]:
        loop = asyncio.get_running_loop()
        return [
            get_active_context(),
            await asyncio.to_thread(get_active_context),
            await loop.run_in_executor(None, get_active_context),
        ]

    with cluster:
        assert in_a_thread(lambda: asyncio.run(looks())) == [cluster] * 3


def test_a_copied_context_goes_before_what_the_thread_has(
    clusters: tuple[Cluster, Cluster],
) -> None:
    first, second = clusters
    with first:
        copied = contextvars.copy_context()
    with second:
        assert in_a_thread(lambda: copied.run(get_active_context)) is first


def test_a_token_brings_back_what_was_before_in_a_thread_too(
    clusters: tuple[Cluster, Cluster],
) -> None:
    outer, inner = clusters

    def nested() -> Any:
        token = set_active_context(inner)
        reset_active_context(token)
        return get_active_context()

    with outer:
        assert in_a_thread(nested) is outer
    assert nested() is None


def test_a_task_called_in_a_thread_is_submitted_to_the_cluster_of_the_starter(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    @task
    def train() -> None:
        pass

    with fake_cluster, ThreadPoolExecutor(2) as pool:
        jobs = [in_a_thread(train), *pool.map(lambda _: train(), "ab")]
    assert [job.cluster for job in jobs] == [fake_cluster] * 3
    assert len(backend.requests) == 3


def test_a_callback_of_a_job_sees_the_cluster_that_was_active_when_it_was_added(
    fake_cluster: Cluster, backend: FakeBackend, cluster: Cluster
) -> None:
    backend.say("7", "RUNNING")
    with fake_cluster:
        job = job_on(fake_cluster, "7")
    called, seen = threading.Event(), []
    job.add_done_callback(lambda job: seen.append(get_active_context()))
    with cluster:
        job.add_done_callback(lambda job: seen.append(get_active_context()))
        job.add_done_callback(lambda job: called.set())
    backend.finish(job)
    assert called.wait(60)
    assert seen == [None, cluster]


def test_a_block_that_was_not_begun_ends_no_other(clusters: tuple[Cluster, Cluster]) -> None:
    outer, other = clusters
    assert other.__exit__(None, None, None) is False
    with outer:
        assert other.__exit__(None, None, None) is False
        assert get_active_context() is outer
    assert get_active_context() is None


def test_none_can_be_active_inside_a_block(cluster: Cluster) -> None:
    with cluster, activated(None):
        assert get_active_context() is None
        assert in_a_thread(get_active_context) is None


WRAPPED = """
import functools, threading
from concurrent.futures import ThreadPoolExecutor
import slurm
calls = []
def wrap(owner, name):
    original = getattr(owner, name)
    @functools.wraps(original)
    def wrapper(*args, **kwargs):
        calls.append(name)
        return original(*args, **kwargs)
    setattr(owner, name, wrapper)
def wrap_both():
    wrap(threading.Thread, "start")
    wrap(ThreadPoolExecutor, "submit")
def both(cluster):
    seen = []
    def look():
        seen.append(slurm.get_active_context())
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(look).result()
    return seen
wrap_both()
cluster = slurm.Cluster("slurm", job_base_dir="/tmp")
with cluster:
    assert both(cluster) == [cluster] * 2
ours = threading.Thread.start, ThreadPoolExecutor.submit
assert [f.__name__ for f in ours] == ["start", "submit"]
wrap_both()
before = list(calls)
with cluster:
    assert both(cluster) == [cluster] * 2
    with cluster:
        assert both(cluster) == [cluster] * 2
assert threading.Thread.start.__wrapped__ is ours[0]
assert ThreadPoolExecutor.submit.__wrapped__ is ours[1]
assert calls.count("submit") == 1 + 2 * 2, calls
"""


def test_it_works_beside_others_who_wrap_threads_and_pools(run_python: RunPython) -> None:
    run_python("-c", WRAPPED)


UNTOUCHED = """
import sys, threading
start = threading.Thread.start
import slurm
from slurm import Cluster, get_active_context, task
@task
def train(): pass
assert get_active_context() is None
assert threading.Thread.start is start
assert "concurrent.futures" not in sys.modules
"""


def test_threads_are_left_alone_until_a_cluster_is_entered(run_python: RunPython) -> None:
    run_python("-c", UNTOUCHED)


# --- active everywhere, for notebooks --------------------------------------------------------------


@pytest.fixture
def _nothing_stays_active() -> Iterator[None]:
    yield
    set_default_context(None)


@pytest.mark.usefixtures("_nothing_stays_active")
def test_an_activated_cluster_is_active_outside_of_blocks_and_in_every_thread(
    clusters: tuple[Cluster, Cluster],
) -> None:
    first, second = clusters
    assert first.activate() is first
    fresh = contextvars.Context().run  # as each cell of a notebook may have
    assert get_active_context() is fresh(get_active_context) is first
    assert in_a_thread(get_active_context) is first
    with second:
        assert get_active_context() is in_a_thread(get_active_context) is second
        assert fresh(get_active_context) is first
    assert get_active_context() is first
    with activated(None):
        assert get_active_context() is None
    second.activate()
    first.deactivate()  # it is not the one any more
    assert get_active_context() is second
    second.deactivate()
    assert get_active_context() is None


@pytest.mark.usefixtures("_nothing_stays_active")
def test_closing_a_cluster_ends_that_it_is_active(cluster: Cluster) -> None:
    cluster.activate()
    cluster.close()
    assert get_active_context() is None
    with pytest.raises(SlurmError, match="was closed: make another one"):
        cluster.activate()


def test_a_script_that_is_loaded_by_a_job_activates_nothing(cluster: Cluster) -> None:
    with loading_script(), pytest.raises(NoMainGuard, match="activates a cluster whenever"):
        cluster.activate()
    assert get_active_context() is None


@pytest.mark.usefixtures("_nothing_stays_active")
def test_tasks_are_submitted_where_a_cluster_is_activated(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    @task
    def double(number: int) -> int:
        return 2 * number

    fake_cluster.activate()
    job = double(21)
    backend.finish(job, 42)
    assert job.get_result(240) == 42
    array = double.map([1, 2])
    before = array.is_submitted
    fake_cluster.deactivate()
    assert (before, array.is_submitted) == (False, True)
    with pytest.raises(NoActiveContext):
        double(21)
