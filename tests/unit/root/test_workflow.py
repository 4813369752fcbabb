"""What a workflow function holds: its directories, its children's results, and its cluster."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import DEADLINE, FakeBackend

from slurm import Cluster, Job, WorkflowContext, set_active_context, task, workflow
from slurm.agent.files import write_atomic
from slurm.agent.json_files import read_json_if_whole
from slurm.context import activated, get_active_context, reset_active_context
from slurm.errors import JobCancelled, RemoteFileMissing, ResultCorrupted, SlurmError
from slurm.job_dir.paths import directory_name
from slurm.job_dir.result import dump_envelope, exception_envelope, value_envelope
from slurm.job_tree.build import build


@task
def train() -> None:
    pass


@pytest.fixture
def ctx(tmp_path: Path, fake_cluster: Cluster) -> WorkflowContext:
    return WorkflowContext(fake_cluster, "42", tmp_path)


@pytest.mark.parametrize("kind", [str, Path])
def test_one_is_made_of_whatever_a_test_has(kind: Any, tmp_path: Path) -> None:
    """By the names of the specification, and in its order; directories that are missing are made."""
    job_dir, shared = tmp_path / "a" / "workflow", tmp_path / "b" / "shared"
    given = WorkflowContext(
        cluster=None,
        workflow_job_id="42",
        workflow_job_dir=kind(job_dir),
        shared_dir=kind(shared),
        local_mode=True,
    )
    assert given == WorkflowContext(None, "42", kind(job_dir), kind(shared), True)
    assert given.cluster is None
    assert (given.workflow_job_dir, given.shared_dir) == (job_dir, shared)
    assert (given.tasks_dir, given.local_mode) == (job_dir / "tasks", True)
    assert given.result_path == job_dir / "result.pkl"
    for folder in (job_dir, shared, given.tasks_dir):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not (job_dir / "shared").exists()


ARGUMENTS: dict[str, Any] = {
    "cluster": None,
    "workflow_job_id": 42,
    "workflow_job_dir": "workflow",
    "shared_dir": "shared",
    "local_mode": True,
}


def test_any_of_its_arguments_may_be_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    every = [names for n in range(6) for names in itertools.combinations(ARGUMENTS, n)]
    for number, names in enumerate(every):
        (tmp_path / str(number)).mkdir()
        monkeypatch.chdir(tmp_path / str(number))
        made = WorkflowContext(**{name: ARGUMENTS[name] for name in names})
        assert made.workflow_job_id == ("42" if "workflow_job_id" in names else ""), names
        for folder in (made.workflow_job_dir, made.shared_dir, made.tasks_dir):
            assert folder.is_absolute(), names
            assert folder.is_dir(), names
        assert made.tasks_dir.parent == made.workflow_job_dir, names
        if "shared_dir" not in names:
            assert made.shared_dir == made.workflow_job_dir / "shared", names
        assert made.list_task_runs("train") == [], names
        with pytest.raises(SlurmError, match=r"train cannot be submitted .* without a cluster"):
            train.submit(made)()
        del made
    gc.collect()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=f"File exists: '{tmp_path}/file'"):
        WorkflowContext(workflow_job_dir=tmp_path / "file" / "workflow")


@workflow
def pipeline(ctx: WorkflowContext, rate: float) -> str:
    (ctx.shared_dir / "rate").write_text(str(rate))
    return f"{ctx.workflow_job_id}: {(ctx.shared_dir / 'rate').read_text()}"


def test_a_workflow_function_is_tested_without_a_cluster(tmp_path: Path) -> None:
    ctx = WorkflowContext(workflow_job_id="7", workflow_job_dir=tmp_path / "new", local_mode=True)
    assert pipeline.unwrapped(ctx, 0.5) == "7: 0.5"
    assert (tmp_path / "new" / "shared" / "rate").read_text() == "0.5"


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
        assert get_active_context() is ctx
        jobs: list[Job[Any]] = [train(), pipeline(0.5)]
    finally:
        reset_active_context(token)
    assert get_active_context() is None
    assert [Path(job.job_dir).parent.name for job in jobs] == ["train", "pipeline"]
    assert {Path(job.job_dir).parent.parent for job in jobs} == {ctx.tasks_dir}
    child, inner = (json.loads(request.files["metadata.json"]) for request in backend.requests)
    assert (child["parent_workflow"], child["is_workflow"]) == ("42", False)
    assert (inner["parent_workflow"], inner["is_workflow"]) == ("42", True)


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
        outside: list[Any] = [train(), train.submit(fake_cluster)(), fake_cluster.map(train, [()])]
        folders = {Path(job.job_dir).parent for job in outside}
    assert folders == {Path(fake_cluster.job_base_dir) / "train"}
    assert (
        Path(waiting.job_dir).parent == ctx.tasks_dir / "train"
    )  # of the place where it was mapped


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


def test_the_latest_result_is_that_of_the_run_that_was_submitted_last(
    ctx: WorkflowContext,
) -> None:
    leave_run(ctx, "20250301_120004_aa", 1)
    leave_run(ctx, "20250301_120005_aa", 2)
    assert ctx.get_latest_task_result("train") == 2


def test_what_is_on_record_of_a_run_is_read_once(
    ctx: WorkflowContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often a workflow looks at its last results; what has no id yet is looked at again."""
    read: list[str] = []

    def noted(path: str) -> Any:
        read.append(Path(path).parent.name)
        return read_json_if_whole(path)

    monkeypatch.setattr("slurm.job_dir.runs.read_json_if_whole", noted)
    names = [f"20250301_120000_{number:08}" for number in range(10)]
    for number, name in enumerate(names):
        leave_run(ctx, name, number, at=number)
        noted_id = {"job_id": str(number)} if number else {"job_id": None}
        metadata = ctx.tasks_dir / "train" / name / "metadata.json"
        metadata.write_text(json.dumps({**json.loads(metadata.read_text()), **noted_id}))
        assert ctx.get_latest_task_result("train") == number
    again = read.count(names[0])
    assert again > 10
    assert len(read) - again < 3 * len(names)


def test_without_a_cluster_nobody_can_wait_for_the_latest_run(tmp_path: Path) -> None:
    ctx = WorkflowContext(workflow_job_dir=tmp_path)
    leave_run(ctx, "20250301_120005_aa", 1, at=1)
    latest = leave_run(ctx, "20250301_120005_bb", result=False, at=2)
    with pytest.raises(RemoteFileMissing, match=rf"^{latest}, the latest run .* no cluster"):
        ctx.get_latest_task_result("train")
    (latest / "result.pkl").write_bytes(dump_envelope(value_envelope(2, 1)))
    assert ctx.get_latest_task_result("train") == 2


class Runs:
    """Runs that were submitted through the fake backend, with their files on the disk too."""

    def __init__(self, ctx: WorkflowContext, backend: FakeBackend) -> None:
        self.ctx = ctx
        self.backend = backend

    def submit(self, function: Any = train, **noted: Any) -> Any:
        with activated(self.ctx):
            submitted = function()
        self.note(submitted.job_dir, job_id=submitted.id, **noted)
        return submitted

    def note(self, folder: str, **noted: Any) -> None:
        request = next(one for one in self.backend.requests if one.job_dir == folder)
        for name in {"metadata.json", "array_metadata.json"} & request.files.keys():
            content = {**json.loads(request.files[name]), **noted}
            self.write(f"{folder}/{name}", json.dumps(content).encode())

    def end(self, job: Job[Any], value: Any) -> None:
        self.write(job.directory.result, dump_envelope(value_envelope(value, 1)))
        self.backend.finish(job, value)

    def write(self, path: str, data: bytes) -> None:
        self.backend.files[path] = data
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)  # as a job does: somebody may be reading it


@pytest.fixture
def runs(ctx: WorkflowContext, backend: FakeBackend) -> Runs:
    return Runs(ctx, backend)


def test_the_latest_run_is_waited_for_while_it_has_not_ended(
    ctx: WorkflowContext, runs: Runs, backend: FakeBackend
) -> None:
    runs.end(runs.submit(), "older")
    newest = runs.submit()
    backend.say(newest.id, "RUNNING")
    with pytest.raises(TimeoutError, match=rf"job {newest.id} \(train\) is RUNNING after 0.05 s"):
        ctx.get_latest_task_result("train", timeout=0.05)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ctx.get_latest_task_result, "train")
        runs.end(newest, "newest")
        assert waiting.result(DEADLINE) == "newest"


def test_a_latest_run_that_was_cancelled_is_no_reason_to_take_an_older_one(
    ctx: WorkflowContext, runs: Runs, backend: FakeBackend
) -> None:
    runs.end(runs.submit(), "older")
    backend.say(runs.submit().id, "CANCELLED", source="sacct")
    with pytest.raises(JobCancelled):
        ctx.get_latest_task_result("train", DEADLINE)


def test_a_run_that_is_run_again_is_waited_for(
    ctx: WorkflowContext, runs: Runs, backend: FakeBackend
) -> None:
    """A job that was requeued has the result of its earlier attempt still."""
    job = runs.submit(status="running", attempt=2)
    backend.say(job.id, "RUNNING")
    runs.write(job.directory.result, dump_envelope(exception_envelope(ValueError("first"), 1)))
    with pytest.raises(TimeoutError):
        ctx.get_latest_task_result("train", timeout=0.05)
    runs.note(job.job_dir, job_id=job.id, status="completed", attempt=2)
    runs.write(job.directory.result, dump_envelope(value_envelope("second", 2)))
    assert ctx.get_latest_task_result("train") == "second"


def test_what_was_prepared_and_never_submitted_is_no_run_to_wait_for(
    ctx: WorkflowContext, runs: Runs
) -> None:
    runs.end(runs.submit(), "submitted")
    prepared = runs.submit()
    runs.note(prepared.job_dir, job_id=None)
    (ctx.tasks_dir / "train" / "20990101_000000_aa").mkdir()  # another process is about to fill it
    assert ctx.get_latest_task_result("train") == "submitted"


def test_an_array_is_one_run_whose_items_are_all_waited_for(
    ctx: WorkflowContext, runs: Runs, backend: FakeBackend
) -> None:
    runs.end(runs.submit(), "older")
    array = runs.submit(lambda: train.map([(), ()]))
    runs.end(array[0], "a")
    backend.say(array[1].id, "RUNNING")
    with pytest.raises(TimeoutError):
        ctx.get_latest_task_result("train", timeout=0.05)
    runs.end(array[1], "b")
    assert ctx.get_latest_task_result("train") == ["a", "b"]
    assert ctx.list_task_runs("train")[0] == Path(array.job_dir)


def test_runs_of_one_moment_are_listed_as_they_were_submitted(
    ctx: WorkflowContext, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where ids, which several processes get, come in another order; and the tree has the same one."""
    monkeypatch.setattr(time, "time", lambda: 1740830405.0)
    jobs = [runs.submit() for _ in range(12)]
    for job, job_id in zip(jobs, range(50, 0, -1)):
        runs.note(job.job_dir, job_id=str(job_id))
    expected = [job.job_dir for job in jobs]
    assert [str(run) for run in ctx.list_task_runs("train")] == expected[::-1]
    files = ctx.tasks_dir.rglob("metadata.json")
    tree = build({str(path.relative_to("/")): path.read_bytes() for path in files})
    assert [f"/{node.path}" for node in tree] == expected


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
