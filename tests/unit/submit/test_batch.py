"""Submissions in one request: ``with cluster.batch():``. The backend is a fake, in memory."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.helpers.fakes import DEADLINE, FakeBackend, job_on

from slurm import Cluster, Job, WorkflowContext, get_active_context, task
from slurm.callbacks import BaseCallback, SubmitBeginContext, SubmitEndContext
from slurm.errors import (
    ConfigError,
    SlurmError,
    SubmissionError,
    SubmissionRefused,
    SubmissionUnknown,
    TransportError,
)
from slurm.submit.batch import MOST_BYTES, MOST_JOBS


@task
def double(number: int) -> int:
    return 2 * number


@task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@task
def read(data: bytes) -> int:
    return len(data)


def sizes(backend: FakeBackend) -> list[int]:
    """How many jobs each request to the backend held."""
    return [len(requests) for requests in backend.submissions]


def test_calls_in_a_block_are_submitted_together_at_its_end(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with fake_cluster.batch():
        jobs = [double(number) for number in range(7)]
        assert backend.submissions == []
        assert repr(jobs[0]) == "<Job double, not submitted yet>"
        assert not jobs[0].is_completed()
        assert jobs[0].status.state == "PENDING"
    assert sizes(backend) == [7]
    assert [job.id for job in jobs] == list("1234567")
    assert [job.job_dir for job in jobs] == [one.job_dir for one in backend.requests]
    backend.finish(jobs[3], 6)
    assert jobs[3].get_result(60) == 6


def test_a_pipeline_takes_as_many_requests_as_it_has_stages(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with fake_cluster.batch():
        first = double(1)
        second = [double(first) for _ in range(5)]
        total(list(second))
    assert sizes(backend) == [1, 5, 1]
    assert backend.requests[-1].submit_options["dependency"] == "afterok:2:3:4:5:6"


def test_what_needs_the_id_has_it(fake_cluster: Cluster, backend: FakeBackend) -> None:
    with fake_cluster.batch() as batch:
        jobs = [double(1), double(2)]
        assert len(batch) == 2
        assert jobs[1].id == "2"
        assert len(batch) == 0
        double(3)
    assert sizes(backend) == [2, 1]


def test_waiting_in_the_block_submits(fake_cluster: Cluster, backend: FakeBackend) -> None:
    backend.say("1", "RUNNING")
    with fake_cluster.batch():
        job = double(1)
        assert not job.wait(0.001)
        assert sizes(backend) == [1]


def test_who_waits_in_the_block_hears_that_it_cannot_be_submitted(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    """And not the thread that watches the cluster's jobs."""
    other = job_on(fake_cluster, "7")
    backend.refusal = SubmissionRefused("no such partition")
    with fake_cluster.batch():
        job = double(1)
        with pytest.raises(SubmissionRefused, match="double: no such partition"):
            job.wait(DEADLINE)
    backend.say("7", "COMPLETED")
    assert other.wait(DEADLINE)


def test_every_way_to_call_a_task_is_batched(fake_cluster: Cluster, backend: FakeBackend) -> None:
    with fake_cluster.batch():
        double(1)
        double.submit(mem="2G")(1)
        double.submit(fake_cluster, key="once")(1)
        fake_cluster.submit(double, time="5")(1)
        assert get_active_context() is fake_cluster
    assert sizes(backend) == [4]
    assert [one.options.get("mem") for one in backend.requests].count("2G") == 1


def test_the_batch_that_is_open_at_the_call_collects_it(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    """Wherever the submitter was made: it says on which cluster, not in which batch."""
    with fake_cluster:
        outside = double.submit()
        with fake_cluster.batch() as outer:
            inside = double.submit()
            outside(1)
            assert (len(outer), backend.submissions) == (1, [])
            with fake_cluster.batch() as inner:
                inside(2)
                assert (len(outer), len(inner)) == (1, 1)
            with fake_cluster:
                inside(3)
            assert (len(outer), sizes(backend)) == (1, [1, 1])
    assert sizes(backend) == [1, 1, 1]


def test_threads_add_to_the_batch_they_were_started_in(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    gate = threading.Event()
    late: list[Job[int]] = []

    def outlive() -> None:
        assert gate.wait(60)
        late.append(double(100))

    with fake_cluster.batch(), ThreadPoolExecutor(4) as pool:
        jobs = list(pool.map(double, range(20)))
        thread = threading.Thread(target=outlive)
        thread.start()
    assert sizes(backend) == [20]
    assert len({job.id for job in jobs}) == 20
    gate.set()
    thread.join()
    assert sizes(backend) == [20, 1], "what outlives the block is submitted by itself"
    assert late[0].id == "21"


def test_a_request_holds_no_more_than_it_should(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with fake_cluster.batch():
        for number in range(MOST_JOBS + 1):
            double(number)
    assert sizes(backend) == [MOST_JOBS, 1]
    backend.submissions.clear()
    with fake_cluster.batch():
        for _ in range(3):
            read(bytes(MOST_BYTES // 2))
    assert sizes(backend) == [1, 1, 1]


def test_a_call_that_cannot_travel_raises_where_it_stands(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with fake_cluster.batch():
        job = double(1)
        with pytest.raises(TypeError, match="missing"):
            double()  # type: ignore[call-arg]
        with pytest.raises(ConfigError, match="aftercorr"):
            double.aftercorr(job)(1)
    assert sizes(backend) == [1]


def test_one_refusal_does_not_keep_the_others(fake_cluster: Cluster, backend: FakeBackend) -> None:
    said = "sbatch: error: a bad day\nsbatch: error: invalid account\n"
    backend.refusal, backend.refused = SubmissionRefused(said), {"total"}
    one_line = r"total: a bad day; invalid account \(no account of yours is known .*\)$"
    with pytest.raises(SubmissionRefused, match=one_line), fake_cluster.batch():
        jobs = [double(1), total([1]), double(2)]
    assert [jobs[0].id, jobs[2].id] == ["1", "3"]
    with pytest.raises(SubmissionRefused, match=one_line):
        jobs[1].get_result()
    assert sizes(backend) == [3]


def test_a_refusal_that_was_told_is_not_told_again(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.refusal, backend.refused = SubmissionRefused("invalid account"), {"total"}
    with fake_cluster.batch():
        job = total([1])
        with pytest.raises(SubmissionRefused):
            double(job)


def test_a_block_left_by_an_exception_submits_nothing_more(
    fake_cluster: Cluster, backend: FakeBackend, caplog: pytest.LogCaptureFixture
) -> None:
    jobs: list[Job[int]] = []
    with caplog.at_level(logging.WARNING), pytest.raises(ZeroDivisionError), fake_cluster.batch():
        jobs.extend(double(number // (1 - number)) for number in range(2))
    assert backend.submissions == []
    assert "not submitted, for it was left by an exception: 1" in caplog.text
    with pytest.raises(SubmissionError, match="left by an exception"):
        jobs[0].get_result()
    assert get_active_context() is None


def test_what_was_not_answered_is_asked_for_again_by_its_token(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.submit_error = TransportError("the connection broke")
    with pytest.raises(TransportError), fake_cluster.batch():
        jobs = [double(1), double(2)]
    with pytest.raises(TransportError):
        jobs[0].get_result()
    backend.submit_error = None
    assert jobs[1].id == "2"
    tokens = [{one.token for one in requests} for requests in backend.submissions]
    assert tokens[0] == tokens[1] == tokens[2]


def test_what_may_have_been_submitted_is_not_given_up(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    """The answer is lost inside the block, which is left by that: the cluster may have the jobs."""
    jobs: list[Job[int]] = []

    def lose_the_answer() -> None:
        with fake_cluster.batch():
            jobs.extend([double(1), double(2)])
            backend.submit_error = SubmissionUnknown("the answer was lost")
            assert jobs[0].id

    with pytest.raises(SubmissionUnknown, match=r"a batch of 2 jobs, .* submits none twice"):
        lose_the_answer()
    backend.submit_error = None
    assert [job.id for job in jobs] == ["1", "2"]
    tokens = [[one.token for one in requests] for requests in backend.submissions]
    assert tokens[0] == tokens[1]


def test_an_interrupted_submission_is_not_given_up(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    jobs: list[Job[int]] = []

    def interrupt() -> None:
        with fake_cluster.batch():
            jobs.append(double(1))
            backend.submit_error = KeyboardInterrupt()
            assert jobs[0].id

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    backend.submit_error = None
    assert jobs[0].id == "1"


def test_arrays_are_submissions_of_their_own(fake_cluster: Cluster, backend: FakeBackend) -> None:
    with fake_cluster.batch():
        first = double(1)
        array = double.after(first).map([1, 2])
        double(3)
    assert array.is_submitted
    assert sizes(backend) == [2, 1]
    assert backend.requests[-1].submit_options["dependency"] == "afterok:1"


def test_a_workflows_batch_submits_its_children(
    fake_cluster: Cluster, backend: FakeBackend, tmp_path: Path
) -> None:
    workflow = WorkflowContext(fake_cluster, "7", tmp_path)
    from slurm import reset_active_context, set_active_context

    token = set_active_context(workflow)
    try:
        with fake_cluster.batch():
            jobs = [double(1), double(2)]
            assert get_active_context() is workflow
    finally:
        reset_active_context(token)
    assert sizes(backend) == [2]
    assert all(job.job_dir.startswith(f"{tmp_path}/tasks/double/") for job in jobs)


class Heard(BaseCallback):
    """Notes what it is told of submissions."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[tuple[str, str, str]] = []

    def on_begin_submit_job_ctx(self, ctx: SubmitBeginContext) -> None:
        self.begun.append(ctx.task_name)

    def on_end_submit_job_ctx(self, ctx: SubmitEndContext) -> None:
        self.ended.append((ctx.task_name, ctx.job_id, type(ctx.error).__name__))


def test_callbacks_hear_of_every_submission_of_a_batch(
    backend: FakeBackend, tmp_path: Path
) -> None:
    heard = Heard()
    backend.refusal, backend.refused = SubmissionRefused("no"), {"total"}
    cluster = Cluster(backend, job_base_dir=tmp_path, callbacks=[heard])
    with pytest.raises(SubmissionRefused), cluster.batch():
        double(1), total([1]), double(2)
    assert cluster.drain_callbacks(10)
    assert heard.begun == ["double", "total", "double"]
    assert heard.ended == [
        ("double", "1", "NoneType"),
        ("total", "", "SubmissionRefused"),
        ("double", "3", "NoneType"),
    ]
    cluster.close()


def test_a_closed_cluster_submits_no_batch(fake_cluster: Cluster, backend: FakeBackend) -> None:
    def close_too_early() -> None:
        with fake_cluster.batch():
            double(1)
            fake_cluster.close()

    with pytest.raises(SlurmError, match="a batch was not submitted: its cluster was closed"):
        close_too_early()
    assert backend.submissions == []
