"""What a workflow function holds: its directories, its children's results, and its cluster."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend

from slurm import Cluster, WorkflowContext, set_active_context, task
from slurm.context import activated, get_active_context, reset_active_context
from slurm.errors import RemoteFileMissing, ResultCorrupted, SlurmError
from slurm.job_dir.paths import directory_name
from slurm.job_dir.result import dump_envelope, exception_envelope, value_envelope


@task
def train() -> None:
    pass


@pytest.fixture
def ctx(tmp_path: Path, fake_cluster: Cluster) -> WorkflowContext:
    return WorkflowContext(fake_cluster, "42", tmp_path)


def test_paths_become_path_objects(tmp_path: Path) -> None:
    folder: Any = str(tmp_path)
    made = WorkflowContext(None, "42", folder)
    assert (made.workflow_job_dir, made.shared_dir) == (tmp_path, tmp_path / "shared")
    assert isinstance(made.tasks_dir, Path)


def leave_run(
    ctx: WorkflowContext, name: str, value: Any = None, *, result: bool = True, at: int = 0
) -> Path:
    """A run of the task ``train`` that started in millisecond `at` of its second."""
    run = ctx.tasks_dir / "train" / name
    run.mkdir(parents=True)
    failed = isinstance(value, Exception)
    envelope = exception_envelope(value, 1) if failed else value_envelope(value, 1)
    if result:
        (run / "result.pkl").write_bytes(dump_envelope(envelope))
    stamp = f"2025-03-01T12:00:05.{at:03}+00:00"
    (run / "metadata.json").write_text(json.dumps({"timestamp": stamp}))
    os.utime(run, ns=(at * 1_000_000, at * 1_000_000))
    return run


def test_its_directories_are_there_and_private(ctx: WorkflowContext, tmp_path: Path) -> None:
    assert (ctx.shared_dir, ctx.tasks_dir) == (tmp_path / "shared", tmp_path / "tasks")
    for folder in (ctx.shared_dir, ctx.tasks_dir):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert ctx.result_path == tmp_path / "result.pkl"
    assert ctx.metadata_path == tmp_path / "metadata.json"
    assert ctx.get_task_output_dir("Train Model!") == tmp_path / "tasks" / directory_name(
        "Train Model!"
    )


def test_children_live_in_its_directory_and_know_their_parent(
    ctx: WorkflowContext, backend: FakeBackend
) -> None:
    token = set_active_context(ctx)
    try:
        job = train()
    finally:
        reset_active_context(token)
    assert get_active_context() is None
    assert Path(job.job_dir).parent == ctx.tasks_dir / "train"
    assert json.loads(backend.requests[0].files["metadata.json"])["parent_workflow"] == "42"


def test_a_task_may_be_submitted_to_it_outright(ctx: WorkflowContext) -> None:
    assert Path(train.submit(ctx)().job_dir).parent == ctx.tasks_dir / "train"


def by_name(ctx: WorkflowContext, cluster: Cluster) -> list[Any]:
    return [
        train(),
        train.submit(ctx)(),
        train.submit(cluster)(),
        cluster.submit(train)(),
        cluster.map(train, [()]),
        train.map([()]),
    ]


def in_a_block(ctx: WorkflowContext, cluster: Cluster) -> list[Any]:
    with cluster:
        return [train(), train.map([()]), cluster.submit(train)(), cluster.map(train, [()])]


def in_blocks(ctx: WorkflowContext, cluster: Cluster) -> list[Any]:
    with cluster, cluster:
        return in_a_block(ctx, cluster)


def in_a_batch(ctx: WorkflowContext, cluster: Cluster) -> list[Any]:
    with cluster.batch():
        return [train(), train.submit(cluster)(), train.submit(ctx)(), train.map([()])]


def in_a_batch_in_a_block(ctx: WorkflowContext, cluster: Cluster) -> list[Any]:
    with cluster:
        return in_a_batch(ctx, cluster)


def by_an_executor(ctx: WorkflowContext, cluster: Cluster) -> list[Any]:
    made = cluster.executor()
    jobs = [made.submit(train).job]
    with cluster:
        return [*jobs, made.submit(train).job, cluster.executor().submit(train).job]


def in_threads(ctx: WorkflowContext, cluster: Cluster) -> list[Any]:
    jobs: list[Any] = []
    thread = threading.Thread(target=lambda: jobs.extend(in_a_block(ctx, cluster)))
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        return [*jobs, *pool.submit(by_name, ctx, cluster).result()]


def in_an_event_loop(ctx: WorkflowContext, cluster: Cluster) -> list[Any]:
    async def submits() -> list[Any]:
        return by_name(ctx, cluster) + await asyncio.to_thread(in_a_block, ctx, cluster)

    return asyncio.run(submits())


EVERY_WAY = [
    by_name,
    in_a_block,
    in_blocks,
    in_a_batch,
    in_a_batch_in_a_block,
    by_an_executor,
    in_threads,
    in_an_event_loop,
]


@pytest.mark.parametrize("submits", EVERY_WAY)
def test_the_active_workflow_places_every_job_of_its_cluster(
    submits: Callable[..., list[Any]],
    ctx: WorkflowContext,
    fake_cluster: Cluster,
    backend: FakeBackend,
) -> None:
    with activated(ctx):
        jobs = submits(ctx, fake_cluster)
        assert {Path(job.job_dir).parent for job in jobs} == {ctx.tasks_dir / "train"}
    notes = [
        json.loads(request.files.get("metadata.json") or request.files["array_metadata.json"])
        for request in backend.requests
    ]
    assert [note["parent_workflow"] for note in notes] == ["42"] * len(jobs)


def test_outside_of_the_workflow_its_cluster_has_its_own_directory(
    ctx: WorkflowContext, fake_cluster: Cluster
) -> None:
    with activated(ctx):
        waiting = train.map([()])
    with fake_cluster:
        outside = [train(), train.submit(fake_cluster)(), fake_cluster.map(train, [()])]
        folders = {Path(job.job_dir).parent for job in outside}
    assert folders == {Path(fake_cluster.job_base_dir) / "train"}
    assert Path(waiting.job_dir).parent == ctx.tasks_dir / "train"  # of the place where it was mapped


def test_another_cluster_keeps_its_own_place_in_a_workflow(
    ctx: WorkflowContext, tmp_path: Path
) -> None:
    other = Cluster(FakeBackend(), job_base_dir=tmp_path / "other")
    with closing(other), activated(ctx):
        jobs = [train.submit(other)(), other.submit(train)()]
        with other:
            jobs.append(train())
            inner = train.submit(ctx.cluster)()
    assert {Path(job.job_dir).parent for job in jobs} == {tmp_path / "other" / "train"}
    assert Path(inner.job_dir).parent == ctx.tasks_dir / "train"


def test_a_workflow_in_a_workflow_places_its_own_jobs(
    ctx: WorkflowContext, fake_cluster: Cluster, tmp_path: Path
) -> None:
    inner = WorkflowContext(fake_cluster, "43", tmp_path / "inner")
    with activated(ctx), activated(inner), fake_cluster:
        assert Path(train().job_dir).parent == inner.tasks_dir / "train"


def test_a_cluster_that_could_not_be_set_up_says_why_when_it_is_needed(tmp_path: Path) -> None:
    ctx = WorkflowContext(None, "42", tmp_path, cluster_error="no sbatch here")
    with pytest.raises(SlurmError, match=r"train .*workflow job 42.*no sbatch here"):
        train.submit(ctx)()


def test_runs_are_listed_newest_first(ctx: WorkflowContext) -> None:
    assert ctx.list_task_runs("train") == []
    names = ["20250301_120005_bb", "20250301_120004_cc", "20250302_000000_aa"]
    for name in names:
        leave_run(ctx, name)
    (ctx.tasks_dir / "train" / "a file").touch()
    listed = [run.name for run in ctx.list_task_runs("train")]
    assert listed == [names[2], names[0], names[1]]


def test_runs_of_the_same_second_are_listed_newest_first(ctx: WorkflowContext) -> None:
    """The random part of a directory's name says nothing about its age."""
    leave_run(ctx, "20250301_120005_ffffffff", "older", at=100)
    leave_run(ctx, "20250301_120005_00000000", "newer", at=500)
    assert ctx.get_latest_task_result("train") == "newer"


def test_the_latest_result_is_that_of_the_newest_run_that_has_one(ctx: WorkflowContext) -> None:
    leave_run(ctx, "20250301_120004_aa", 1)
    leave_run(ctx, "20250301_120005_aa", 2)
    leave_run(ctx, "20250301_120006_aa", result=False)
    assert ctx.get_latest_task_result("train") == 2


def test_a_task_without_a_result_is_missing(ctx: WorkflowContext) -> None:
    with pytest.raises(RemoteFileMissing, match="no run of train"):
        ctx.get_latest_task_result("train")


def test_a_run_that_failed_raises_what_it_raised(ctx: WorkflowContext) -> None:
    leave_run(ctx, "20250301_120004_aa", ValueError("bad"))
    with pytest.raises(ValueError, match="bad"):
        ctx.get_latest_task_result("train")


def test_another_workflows_result_is_found_by_its_directory(
    ctx: WorkflowContext, tmp_path: Path
) -> None:
    other = leave_run(ctx, "20250301_120004_aa", {"loss": 0.5})
    assert ctx.load_workflow_result(other) == {"loss": 0.5}
    assert ctx.load_workflow_result(str(other)) == {"loss": 0.5}
    with pytest.raises(RemoteFileMissing, match="nowhere"):
        ctx.load_workflow_result(tmp_path / "nowhere")
    (other / "result.pkl").write_bytes(b"damaged")
    with pytest.raises(ResultCorrupted, match=str(other)):
        ctx.load_workflow_result(other)
