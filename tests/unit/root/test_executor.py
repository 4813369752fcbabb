"""A cluster as a ``concurrent.futures.Executor``."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, as_completed, wait
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import DEADLINE, FakeBackend

import slurm.executor
from slurm import Cluster, WorkflowContext, task
from slurm.context import activated
from slurm.errors import ConfigError, JobFailed, SlurmError, TransportError
from slurm.executor import JobExecutor, JobFuture


@task(mem="3G")
def double(number: int) -> int:
    return 2 * number


@pytest.fixture
def executor(fake_cluster: Cluster) -> Iterator[JobExecutor]:
    executor = fake_cluster.executor(time="5")
    yield executor
    executor.shutdown(wait=False)


def submitted(
    executor: JobExecutor, backend: FakeBackend, state: str = "RUNNING"
) -> JobFuture[Any]:
    """The future of a job that is in `state`."""
    backend.say(str(len(backend.requests) + 1), state)
    return executor.submit(double, 21)


def test_a_future_becomes_what_the_task_returned(
    executor: JobExecutor, backend: FakeBackend
) -> None:
    assert isinstance(executor, Executor)
    future = submitted(executor, backend)
    assert not future.done()
    backend.finish(future.job, 42)
    assert future.result(DEADLINE) == 42
    assert future.done()
    assert not future.running()
    assert not future.cancel()
    assert backend.cancelled == []


def test_a_future_becomes_what_the_task_raised(executor: JobExecutor, backend: FakeBackend) -> None:
    future = submitted(executor, backend)
    backend.finish(future.job, ValueError("bad"))
    with pytest.raises(ValueError, match="bad"):
        future.result(DEADLINE)
    lost = submitted(executor, backend, "FAILED")
    assert isinstance(lost.exception(DEADLINE), JobFailed)


def test_plain_functions_and_tasks_get_the_executors_options(
    executor: JobExecutor, backend: FakeBackend
) -> None:
    def triple(number: int, *, by: int = 3) -> int:
        return by * number

    executor.submit(triple, 2, by=4)
    executor.submit(double, 2)
    plain, tuned = (request.options for request in backend.requests)
    assert (plain["job-name"], plain["time"], plain["mem"]) == ("triple", "5", "1G")
    assert (tuned["job-name"], tuned["time"], tuned["mem"]) == ("double", "5", "3G")


def test_a_wrong_option_is_refused_before_any_call(fake_cluster: Cluster) -> None:
    with pytest.raises(ConfigError, match="did you mean partition"):
        fake_cluster.executor(partitoin="gpu")


def test_as_completed_of_this_package_takes_futures_of_an_executor(
    executor: JobExecutor, backend: FakeBackend
) -> None:
    futures: list[Any] = [submitted(executor, backend) for _ in range(2)]
    for future in futures:
        backend.finish(future.job, 42)
    assert [one.result() for one in slurm.as_completed(futures, DEADLINE)] == [42, 42]


def test_wait_and_as_completed_of_the_standard_library_work(
    executor: JobExecutor, backend: FakeBackend
) -> None:
    futures = [submitted(executor, backend) for _ in range(3)]
    backend.finish(futures[1].job, "second")
    done, left = wait(futures, DEADLINE, FIRST_COMPLETED)
    assert (done, left) == ({futures[1]}, {futures[0], futures[2]})
    backend.say("3", "PENDING")
    backend.wait_until(lambda: not futures[2].running())
    backend.finish(futures[0].job, "first")
    assert futures[2].cancel()
    assert set(as_completed(futures, DEADLINE)) == set(futures)


def test_a_future_runs_when_its_job_does(executor: JobExecutor, backend: FakeBackend) -> None:
    future = submitted(executor, backend, "PENDING")
    assert future.job.get_status() == "PENDING"
    assert not future.running()
    backend.say("1", "RUNNING")
    backend.wait_until(future.running)
    backend.finish(future.job)
    future.result(DEADLINE)


def test_a_job_that_has_not_started_is_cancelled(
    executor: JobExecutor, backend: FakeBackend
) -> None:
    future = submitted(executor, backend, "PENDING")
    called = threading.Event()
    future.add_done_callback(lambda future: called.set())
    assert future.cancel()
    assert future.cancel()
    assert backend.cancelled == ["1"]
    assert future.cancelled()
    assert called.is_set()
    with pytest.raises(CancelledError):
        future.result()
    backend.say("1", "CANCELLED")
    assert future.job.wait(DEADLINE)


def test_a_job_that_runs_is_not_cancelled(executor: JobExecutor, backend: FakeBackend) -> None:
    future = submitted(executor, backend)
    assert not future.cancel()
    assert backend.cancelled == []
    assert not future.cancelled()


def test_the_end_of_the_block_waits_and_takes_no_more(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with fake_cluster.executor() as executor:
        future = submitted(executor, backend)
        threading.Timer(0.05, backend.finish, (future.job, 42)).start()
    assert future.result(0) == 42
    with pytest.raises(RuntimeError, match=r"double\(\) was not submitted.*shut down"):
        executor.submit(double, 1)
    with pytest.raises(RuntimeError, match="shut down"):
        executor.map(double, [1])


def test_a_shutdown_may_cancel_what_has_not_started(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    executor = fake_cluster.executor()
    running, pending = submitted(executor, backend), submitted(executor, backend, "PENDING")
    executor.shutdown(wait=False, cancel_futures=True)
    assert backend.cancelled == [pending.job.id]
    assert (running.cancelled(), pending.cancelled()) == (False, True)
    backend.finish(running.job, 1)
    assert running.result(DEADLINE) == 1


def test_results_are_fetched_off_the_thread_that_watches_the_jobs(
    executor: JobExecutor, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetching, go_on = threading.Event(), threading.Event()
    read = backend.read_files

    def slow(paths: list[str]) -> Any:
        fetching.set()
        assert go_on.wait(DEADLINE)
        return read(paths)

    monkeypatch.setattr(backend, "read_files", slow)
    future = submitted(executor, backend)
    backend.finish(future.job, 42)
    assert fetching.wait(DEADLINE)
    other = submitted(executor, backend)
    backend.finish(other.job, 43)
    assert other.job.wait(DEADLINE), "the tracker goes on"
    assert not future.done()
    go_on.set()
    assert [future.result(DEADLINE), other.result(DEADLINE)] == [42, 43]


def test_a_connection_that_fails_for_a_while_loses_no_future(
    executor: JobExecutor,
    backend: FakeBackend,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(slurm.executor, "RETRY", 0.01)
    read, failures = backend.read_files, [TransportError("gone"), TransportError("gone")]

    def fails_twice(paths: list[str]) -> Any:
        if failures:
            raise failures.pop()
        return read(paths)

    monkeypatch.setattr(backend, "read_files", fails_twice)
    future = submitted(executor, backend)
    backend.finish(future.job, 42)
    assert future.result(DEADLINE) == 42
    assert caplog.text.count("trying again: gone") == 2


def test_closing_the_cluster_ends_the_futures_that_are_left(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    future = submitted(fake_cluster.executor(), backend)
    fake_cluster.close()
    with pytest.raises(SlurmError, match=r"job 1 .*cluster was closed"):
        future.result(DEADLINE)


def test_its_thread_ends_when_there_is_nothing_to_fetch(
    executor: JobExecutor, backend: FakeBackend
) -> None:
    for _ in range(2):
        before = set(threading.enumerate())
        future = submitted(executor, backend)
        [thread] = {
            one for one in set(threading.enumerate()) - before if one.name == "slurm-executor"
        }
        backend.finish(future.job)
        future.result(DEADLINE)
        thread.join(DEADLINE)
        assert not thread.is_alive()


def test_in_a_workflow_the_jobs_are_its_children(
    fake_cluster: Cluster, backend: FakeBackend, tmp_path: Path
) -> None:
    ctx = WorkflowContext(fake_cluster, "42", tmp_path)
    with activated(ctx):
        executor = fake_cluster.executor()
    executor.submit(double, 1)
    executor.map(double, [1, 2])
    folders = {Path(request.job_dir).parent for request in backend.requests}
    assert folders == {ctx.tasks_dir / "double"}


# --- map -----------------------------------------------------------------------------------------


def test_a_map_is_one_array(executor: JobExecutor, backend: FakeBackend) -> None:
    results = executor.map(pow, [2, 3, 4, 5], [1, 2, 3, 4], chunksize=2)
    [request] = backend.requests
    assert (request.options["array"], request.options["time"]) == ("0-1", "5")
    assert list(executor.map(pow, [])) == []
    assert len(backend.requests) == 1
    results.close()  # type: ignore[attr-defined]  # a generator


def test_a_map_gives_results_in_order_and_cancels_the_rest_when_it_is_left(
    executor: JobExecutor, backend: FakeBackend
) -> None:
    for index in range(3):
        backend.say(f"1_{index}", "PENDING")
    results = executor.map(double, range(3))
    [array] = executor._arrays
    backend.finish(array[1], 2)
    backend.finish(array[0], 0)
    assert [next(results), next(results)] == [0, 2]
    results.close()  # type: ignore[attr-defined]  # a generator
    assert backend.cancelled == ["1_2"]


def test_a_map_has_one_deadline_for_all(executor: JobExecutor, backend: FakeBackend) -> None:
    backend.say("1_0", "RUNNING")
    results = executor.map(double, [1], timeout=0.01)
    with pytest.raises(TimeoutError):
        next(results)
    assert backend.cancelled == []
