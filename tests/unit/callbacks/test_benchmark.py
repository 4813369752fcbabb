"""BenchmarkCallback: the stages of jobs, from what it is told."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import DEADLINE, FakeBackend

from slurm import Cluster, JobState, task
from slurm.callbacks import (
    BenchmarkCallback,
    CompletedContext,
    JobStatusUpdatedContext,
    SubmitEndContext,
)
from slurm.callbacks.contexts import ResultFetchedContext

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def about(number: int, task_name: str = "train") -> dict[str, Any]:
    return {"task_name": task_name, "job_id": str(number), "job_dir": f"/jobs/{number}"}


def submitted(benchmark: BenchmarkCallback, number: int, second: float, **more: Any) -> None:
    context = SubmitEndContext(**{**about(number), **more}, timestamp=at(second))
    benchmark.on_end_submit_job_ctx(context)


def running(benchmark: BenchmarkCallback, number: int, second: float, **more: Any) -> None:
    states = {"previous_state": JobState.PENDING, "state": JobState.RUNNING, **more}
    context = JobStatusUpdatedContext(**about(number), **states, timestamp=at(second))
    benchmark.on_job_status_update_ctx(context)


def ended(
    benchmark: BenchmarkCallback, number: int, seconds: list[float | None], **more: Any
) -> None:
    """`seconds`: launched, called, returned, seen to have ended."""
    launched, called, returned, seen = (None if one is None else at(one) for one in seconds)
    context = CompletedContext(
        **{**about(number), **more},
        launched_at=launched,
        started_at=called,
        ended_at=returned,
        timestamp=seen or NOON,
    )
    benchmark.on_completed_ctx(context)


def stages(benchmark: BenchmarkCallback, job: int = 0) -> dict[str, float | None]:
    return benchmark.timings()[job].stages()


def test_the_stages_of_a_job() -> None:
    benchmark = BenchmarkCallback()
    submitted(benchmark, 1, 0)
    running(benchmark, 1, 11)
    ended(benchmark, 1, [10, 10.5, 40.5, 41])
    benchmark.result_fetched(ResultFetchedContext(**about(1), duration=0.25))
    assert stages(benchmark) == {
        "queued": 10,
        "starting": 0.5,
        "running": 30,
        "noticing": 0.5,
        "fetching": 0.25,
    }


def test_where_the_script_has_no_clock_the_schedulers_word_counts() -> None:
    benchmark = BenchmarkCallback()
    submitted(benchmark, 1, 0)
    running(benchmark, 1, 8)
    ended(benchmark, 1, [None, 9, 10, 11])
    assert (stages(benchmark)["queued"], stages(benchmark)["starting"]) == (8, 1)


def test_what_is_not_known_is_left_out() -> None:
    benchmark = BenchmarkCallback()
    submitted(benchmark, 1, 0)
    ended(benchmark, 1, [None, None, None, 5], state=JobState.CANCELLED)
    assert set(stages(benchmark).values()) == {None}
    assert benchmark.table().splitlines()[1].split() == ["train", "1", "1", *"-----"]


def test_clocks_that_differ_make_no_negative_time() -> None:
    benchmark = BenchmarkCallback()
    submitted(benchmark, 1, 20)
    ended(benchmark, 1, [10, 11, 12, 13])
    assert stages(benchmark)["queued"] == 0


def test_a_poll_and_a_requeue_are_not_taken_for_the_start() -> None:
    benchmark = BenchmarkCallback()
    submitted(benchmark, 1, 0)
    running(benchmark, 1, 5)
    running(benchmark, 1, 6, previous_state=JobState.RUNNING)
    running(benchmark, 1, 7, state=JobState.COMPLETED)
    assert benchmark.timings()[0].seen_running == at(5)
    running(benchmark, 1, 30)  # after a requeue
    assert benchmark.timings()[0].seen_running == at(30)


def test_elements_are_queued_since_their_array_was_submitted() -> None:
    benchmark = BenchmarkCallback()
    submitted(benchmark, 1, 0, array_size=2, array_dir="/jobs/1")
    for index in (0, 1):
        place = {"job_dir": f"/jobs/1/{index}", "array_index": index, "array_dir": "/jobs/1"}
        ended(benchmark, 1, [3 + index, 4, 5, 6], job_id=f"1_{index}", **place)
    assert [timing.queued for timing in benchmark.timings()] == [3, 4]
    assert [timing.job_id for timing in benchmark.timings()] == ["1_0", "1_1"]


def test_what_was_not_submitted_now_is_not_measured_from_now() -> None:
    benchmark = BenchmarkCallback()
    submitted(benchmark, 1, 0, reattached=True)
    submitted(benchmark, 2, 0, error=ValueError())
    ended(benchmark, 1, [10, 11, 12, 13])
    [timing] = benchmark.timings()
    assert (timing.job_id, timing.queued, timing.running) == ("1", None, 1)


@pytest.fixture
def several() -> BenchmarkCallback:
    """Three jobs of one task and one of another, which failed."""
    benchmark = BenchmarkCallback()
    for number, begin in enumerate([1, 2, 6]):
        submitted(benchmark, number, 0)
        ended(benchmark, number, [begin, begin, begin + 1, begin + 1])
    ended(benchmark, 9, [0, 0, 2, 2], state=JobState.FAILED, task_name="evaluate")
    return benchmark


def test_the_table_has_a_line_for_each_task(several: BenchmarkCallback) -> None:
    assert several.table() == (
        "task      jobs  failed         queued       starting        running       noticing  fetching\n"
        "train        3       0  2.000 (6.000)  0.000 (0.000)  1.000 (1.000)  0.000 (0.000)         -\n"
        "evaluate     1       1              -  0.000 (0.000)  2.000 (2.000)  0.000 (0.000)         -"
    )


def test_the_json_has_statistics_and_every_job(several: BenchmarkCallback) -> None:
    content = json.loads(several.to_json())
    queued = content["tasks"]["train"]["queued"]
    assert queued == {"min": 1.0, "median": 2.0, "mean": 3.0, "max": 6.0, "total": 9.0}
    assert content["tasks"]["train"]["fetching"] is None
    counts = {key: content["tasks"]["evaluate"][key] for key in ("jobs", "ended", "failed")}
    assert counts == {"jobs": 1, "ended": 1, "failed": 1}
    job = content["jobs"][2]
    assert (job["job_id"], job["state"], job["running"]) == ("2", "COMPLETED", 1.0)
    assert datetime.fromisoformat(job["launched"]) == at(6)
    assert (job["seen_running"], job["fetching"]) == (None, None)


def test_fetching_is_measured_where_results_are_read(tmp_path: Path, backend: FakeBackend) -> None:
    benchmark = BenchmarkCallback()
    fake_cluster = Cluster(backend, job_base_dir=tmp_path, callbacks=[benchmark])
    square = task(lambda number: number * number)
    job, array = square.submit(fake_cluster)(3), fake_cluster.map(square, [4, 5])
    for one in (job, *array):
        backend.finish(one, 0)
    job.get_result(DEADLINE)
    job.get_result(DEADLINE)
    array.get_results(DEADLINE)
    assert fake_cluster.drain_callbacks(DEADLINE)
    assert [timing.job_id for timing in benchmark.timings()] == ["1", "2_0", "2_1"]
    assert all(timing.fetching is not None for timing in benchmark.timings())
    assert all(timing.submitted is not None for timing in benchmark.timings())
