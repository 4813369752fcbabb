"""Jobs with the words of concurrent.futures and asyncio, on the local backend."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from slurm import Cluster, Job, as_completed, gather, task
from slurm.errors import ConfigError, NoActiveContext, RemoteFileMissing, SlurmError

TIMEOUT = 30.0


@task
def double(number: int) -> int:
    return 2 * number


@task
def fail(message: str) -> int:
    raise ValueError(message)


@task
def wait_for(fifo: str) -> str:
    return Path(fifo).read_text()


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


def test_a_job_answers_as_a_future_does(local: Cluster) -> None:
    good, bad = double(4), fail("no")
    assert good.result(TIMEOUT) == 8
    assert good.exception() is None
    assert good.done()
    assert isinstance(bad.exception(TIMEOUT), ValueError)
    with pytest.raises(ValueError, match="no"):
        bad.result()


def test_asking_for_the_exception_of_an_unfinished_job_times_out(
    local: Cluster, fifo: Path
) -> None:
    job = wait_for(str(fifo))
    with pytest.raises(TimeoutError, match=f"job {job.id} "):
        job.exception(timeout=0.01)
    assert not job.done()
    fifo.write_text("now")
    assert job.result(TIMEOUT) == "now"


def test_a_callback_is_called_once_when_the_job_has_ended(local: Cluster, fifo: Path) -> None:
    job = wait_for(str(fifo))
    called: list[Job[str]] = []
    told = threading.Event()
    job.add_done_callback(called.append)
    job.add_done_callback(lambda _: told.set())
    assert called == []
    fifo.write_text("go")
    assert told.wait(TIMEOUT)
    assert called == [job]


def test_a_callback_that_comes_late_is_called_at_once(local: Cluster) -> None:
    job = double(1)
    job.wait(TIMEOUT)
    called: list[Job[int]] = []
    job.add_done_callback(called.append)
    assert called == [job]


def test_a_callback_that_fails_is_logged_and_stops_nobody(
    local: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    job, told = double(2), threading.Event()

    def broken(_: Job[int]) -> None:
        raise RuntimeError("not my day")

    job.add_done_callback(broken)
    job.add_done_callback(lambda _: told.set())
    assert told.wait(TIMEOUT)
    assert double(3).result(TIMEOUT) == 6
    assert "not my day" in caplog.text


def test_a_callback_may_use_the_job_and_submit_another(local: Cluster) -> None:
    following: list[int] = []
    told = threading.Event()

    def go_on(job: Job[int]) -> None:
        following.append(double.submit(local)(job.result()).cluster.backend.host().python[0])
        told.set()

    double(5).add_done_callback(go_on)
    assert told.wait(TIMEOUT)
    assert following == [3]


def test_jobs_come_in_the_order_in_which_they_end(local: Cluster, fifo: Path) -> None:
    slow: Job[Any] = wait_for(str(fifo))
    quick: Job[Any] = double(1)
    order = as_completed([slow, quick, quick], TIMEOUT)
    assert next(order) is quick
    fifo.write_text("last")
    assert list(order) == [slow]


def test_waiting_for_all_has_an_end(local: Cluster, fifo: Path) -> None:
    job = wait_for(str(fifo))
    with pytest.raises(TimeoutError, match="1 of 1 jobs"):
        list(as_completed([job], timeout=0.01))
    fifo.write_text("done")


def test_gather_gives_results_in_the_order_of_its_jobs(local: Cluster) -> None:
    jobs = [double(number) for number in range(2)]
    assert gather(*jobs) == [0, 2]
    bad = fail("third")
    with pytest.raises(ValueError, match="third"):
        gather(jobs[0], bad)
    first, second = gather(jobs[1], bad, return_exceptions=True)
    assert first == 2
    assert isinstance(second, ValueError)


def test_a_job_can_be_awaited_beside_others(local: Cluster) -> None:
    async def program() -> list[int]:
        first = double(10)
        return list(await asyncio.gather(first, double(first)))

    assert asyncio.run(asyncio.wait_for(program(), TIMEOUT)) == [20, 40]


def test_an_awaited_job_raises_what_its_task_raised(local: Cluster) -> None:
    async def program() -> int:
        return await fail("awaited")

    with pytest.raises(ValueError, match="awaited"):
        asyncio.run(asyncio.wait_for(program(), TIMEOUT))


def test_nobody_waits_for_the_jobs_of_a_cluster_that_is_closed(
    local_base: Path, fifo: Path
) -> None:
    cluster = Cluster("local", job_base_dir=local_base)
    job = wait_for.submit(cluster)(str(fifo))
    left = as_completed([job])
    threading.Timer(0.05, cluster.close).start()
    with pytest.raises(SlurmError, match="closed"):
        next(left).result()
    fifo.write_text("too late")


# --- found again ---------------------------------------------------------------------------------


def test_a_job_is_found_again_by_its_id_and_by_its_directory(
    local: Cluster, local_base: Path
) -> None:
    job = double(21)
    job.wait(TIMEOUT)
    later = Cluster("local", job_base_dir=local_base)
    for again in (
        later.get_job(job.id),
        later.get_job(int(job.id)),
        Job.from_dir(job.job_dir, later),
    ):
        assert (again.id, again.job_dir, again.task_name) == (job.id, job.job_dir, "double")
        assert again.reattached
        assert again.get_result(TIMEOUT) == 42
    later.close()


def test_a_job_that_was_found_again_can_be_a_dependency(local: Cluster) -> None:
    first = double(1)
    again: Any = Job.from_dir(first.job_dir)
    assert double(again).get_result(TIMEOUT) == 4


def test_a_running_job_that_was_found_again_ends_for_both(local: Cluster, fifo: Path) -> None:
    job = wait_for(str(fifo))
    again = local.get_job(job.id)
    fifo.write_text("both")
    assert job.get_result(TIMEOUT) == again.get_result(TIMEOUT) == "both"


def test_what_is_not_there_is_said_in_one_line(local: Cluster, tmp_path: Path) -> None:
    with pytest.raises(RemoteFileMissing, match="no job 99999 was submitted under"):
        local.get_job(99999)
    with pytest.raises(ConfigError, match="no job id"):
        local.get_job("../../etc")
    with pytest.raises(RemoteFileMissing):
        Job.from_dir(tmp_path)


def test_a_directory_without_a_cluster_says_what_to_pass(tmp_path: Path) -> None:
    with pytest.raises(NoActiveContext, match="cluster="):
        Job.from_dir(tmp_path)
