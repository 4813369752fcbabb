"""Callbacks on the client: which hook is called when, and with what. The scheduler is a fake."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import DEADLINE, FakeBackend, job_on
from tests.helpers.node_callbacks import Recorder

from slurm import Cluster, WorkflowContext, callbacks, task, workflow
from slurm.callbacks import BaseCallback, ExecutionLocus
from slurm.callbacks import client as dispatching
from slurm.errors import JobCancelled, SubmissionRefused
from slurm.packaging import NonePackagingStrategy
from slurm.submit.calls import call_of
from slurm.submit.draft import Placement

Make = Callable[..., Cluster]


@task(mem="2G")
def train(rate: float) -> float:
    return rate


@workflow
def pipeline(ctx: WorkflowContext) -> None:
    """Not run here."""


@pytest.fixture
def cluster_with(tmp_path: Path, backend: FakeBackend) -> Iterator[Make]:
    """Make clusters over the fake backend with these callbacks; they ask often."""
    made: list[Cluster] = []

    def make(*given: BaseCallback, shortest: float = 0.01, longest: float = 0.02) -> Cluster:
        cluster = Cluster(
            backend,
            job_base_dir=tmp_path / "jobs",
            poll_interval_min=shortest,
            poll_interval_max=longest,
            callbacks=given,
        )
        made.append(cluster)
        return cluster

    yield make
    for cluster in made:
        cluster.close()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def told(cluster_with: Make, recorder: Recorder) -> Cluster:
    """A cluster of which `recorder` is told."""
    return cluster_with(recorder)


def states(recorder: Recorder) -> list[tuple[str, str]]:
    updates = recorder.of("on_job_status_update_ctx")
    return [(str(one.previous_state), str(one.state)) for one in updates]


# --- the way of one job --------------------------------------------------------------------------


def test_the_hooks_of_a_job_in_the_order_of_its_life(
    told: Cluster, recorder: Recorder, backend: FakeBackend
) -> None:
    backend.say("1", "PENDING", reason="Priority")
    job = train.submit(told)(0.1)
    backend.say("1", "RUNNING", node="c1")
    backend.wait_until(job.is_running)
    backend.finish(job, 5)
    assert job.get_result(DEADLINE) == 5
    assert told.drain_callbacks(DEADLINE)
    assert recorder.hooks() == [
        "on_begin_package_ctx",
        "on_end_package_ctx",
        "on_begin_submit_job_ctx",
        "on_end_submit_job_ctx",
        "on_job_status_update_ctx",
        "on_job_status_update_ctx",
        "on_completed_ctx",
    ]
    assert states(recorder) == [("PENDING", "RUNNING"), ("RUNNING", "COMPLETED")]
    times = [context.timestamp for _, context in recorder.told]
    assert times == sorted(times)
    assert times[0].utcoffset() == timedelta(0)
    about = {(one.task_name, one.is_workflow, str(one.emitted_by)) for _, one in recorder.told}
    assert about == {("train", False, "client")}


def test_what_the_hooks_of_a_submission_are_told(
    told: Cluster, recorder: Recorder, backend: FakeBackend
) -> None:
    backend.say("9", "RUNNING")
    first = job_on(told, "9")
    job = train.after(first).submit(told)(0.1)
    assert told.drain_callbacks(DEADLINE)
    assert [one.packaging for one in recorder.of("on_begin_package_ctx")] == ["none"]
    [begin], [end] = (recorder.of(f"on_{when}_submit_job_ctx") for when in ("begin", "end"))
    assert begin.options["mem"] == "2G"
    assert begin.options["dependency"] == "afterok:9"
    assert (begin.job_id, begin.job_dir, begin.dependencies) == ("", job.job_dir, ("9",))
    assert (end.job, end.job_id, end.job_dir) == (job, "1", job.job_dir)
    assert (end.array_size, end.reattached, end.error) == (None, False, None)
    assert end.duration >= 0


def test_a_refused_submission_has_an_end_with_its_error(
    told: Cluster, recorder: Recorder, backend: FakeBackend
) -> None:
    backend.refusal = SubmissionRefused("invalid account")
    with pytest.raises(SubmissionRefused) as raised:
        train.submit(told)(0.1)
    assert told.drain_callbacks(DEADLINE)
    [end] = recorder.of("on_end_submit_job_ctx")
    assert end.error is raised.value
    assert end.job is None
    assert "on_completed_ctx" not in recorder.hooks()


def test_packaging_that_fails_has_an_end_with_its_error(
    told: Cluster, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(NonePackagingStrategy, "prepare", fails)
    with pytest.raises(OSError, match="disk full"):
        train.submit(told)(0.1)
    assert told.drain_callbacks(DEADLINE)
    assert recorder.hooks() == ["on_begin_package_ctx", "on_end_package_ctx"]
    assert isinstance(recorder.told[1][1].error, OSError)


def test_a_dry_run_packages_and_submits_nothing(told: Cluster, recorder: Recorder) -> None:
    told.dry_run(train, 0.1)
    assert told.drain_callbacks(DEADLINE)
    assert recorder.hooks() == []


def test_children_name_their_workflow(
    told: Cluster, recorder: Recorder, backend: FakeBackend
) -> None:
    placed = told.submitter.placed(Placement("/jobs/w/tasks", parent="7"))
    child = placed.submit(call_of(train, (0.1,), {}))
    flow = pipeline.submit(told)()
    backend.finish(child)
    backend.finish(flow)
    assert child.wait(DEADLINE)
    assert flow.wait(DEADLINE)
    assert told.drain_callbacks(DEADLINE)
    about = {
        (one.task_name, one.parent_workflow, one.is_workflow)
        for _, one in recorder.told
        if one.job_id
    }
    assert about == {("train", "7", False), ("pipeline", None, True)}
    assert len(recorder.of("on_completed_ctx")) == 2


# --- the end of a job ----------------------------------------------------------------------------


def test_completion_tells_what_the_node_has_noted(
    told: Cluster, recorder: Recorder, backend: FakeBackend
) -> None:
    job = train.submit(told)(0.1)
    noted = {
        "node": "c2",
        "attempt": 3,
        "is_workflow": False,
        "parent_workflow": None,
        "launched_at": "2026-01-01T10:00:00.000+00:00",
        "started_at": "2026-01-01T10:00:01.000+00:00",
        "called_at": "2026-01-01T10:00:01.500+00:00",
        "completed_at": "2026-01-01T10:01:01.500+00:00",
    }
    backend.files[job.directory.metadata] = json.dumps(noted).encode()
    backend.finish(job, 5)
    assert job.wait(DEADLINE)
    assert told.drain_callbacks(DEADLINE)
    [end] = recorder.of("on_completed_ctx")
    assert (end.job, end.job_id, str(end.state), end.successful) == (job, "1", "COMPLETED", True)
    assert (end.node, end.attempt, end.duration, end.error) == ("c2", 3, 60.0, None)
    assert (end.started_at - end.launched_at).total_seconds() == 1.5


@pytest.mark.parametrize("metadata", [None, b"not json", b"[]", b'{"called_at": 5}'])
def test_completion_does_without_what_was_not_noted(
    metadata: bytes | None, told: Cluster, recorder: Recorder, backend: FakeBackend
) -> None:
    job = train.submit(told)(0.1)
    if metadata is not None:
        backend.files[job.directory.metadata] = metadata
    backend.finish(job, 5)
    assert job.wait(DEADLINE)
    assert told.drain_callbacks(DEADLINE)
    [end] = recorder.of("on_completed_ctx")
    assert (end.duration, end.started_at, end.attempt) == (None, None, 1)


def test_completion_does_without_what_an_earlier_attempt_has_noted() -> None:
    context = callbacks.CompletedContext("train").with_metadata(
        {
            "attempt": 2,
            "called_at": "2026-01-01T10:00:00.000+00:00",
            "completed_at": "2026-01-01T10:00:05.000+00:00",
            "started_at": "2026-01-01T11:00:00.000+00:00",
        }
    )
    assert (context.attempt, context.started_at, context.ended_at) == (2, None, None)


def test_a_failed_job_is_completed_with_what_get_result_raises(
    told: Cluster, recorder: Recorder, backend: FakeBackend
) -> None:
    job = train.submit(told)(0.1)
    backend.finish(job, ValueError("bad"))
    with pytest.raises(ValueError, match="bad") as raised:
        job.get_result(DEADLINE)
    assert told.drain_callbacks(DEADLINE)
    [end] = recorder.of("on_completed_ctx")
    assert end.error is raised.value
    assert (str(end.state), end.successful) == ("FAILED", False)


def test_a_cancelled_job_is_completed_too(
    told: Cluster, recorder: Recorder, backend: FakeBackend
) -> None:
    backend.say("1", "CANCELLED", reason="by user", exit_code="0:15")
    job = train.submit(told)(0.1)
    assert job.wait(DEADLINE)
    assert told.drain_callbacks(DEADLINE)
    [end] = recorder.of("on_completed_ctx")
    assert (str(end.state), end.reason, end.exit_code) == ("CANCELLED", "by user", "0:15")
    assert isinstance(end.error, JobCancelled)


def test_a_requeue_is_no_end(told: Cluster, recorder: Recorder, backend: FakeBackend) -> None:
    backend.say("1", "RUNNING")
    job = train.submit(told)(0.1)
    backend.wait_until(job.is_running)
    backend.say("1", "PENDING", reason="BeginTime")
    backend.wait_until(lambda: not job.is_running())
    backend.say("1", "COMPLETED")
    assert job.wait(DEADLINE)
    assert told.drain_callbacks(DEADLINE)
    assert states(recorder) == [
        ("PENDING", "RUNNING"),
        ("RUNNING", "PENDING"),
        ("PENDING", "COMPLETED"),
    ]
    assert recorder.hooks().count("on_completed_ctx") == 1


def test_a_job_with_two_futures_is_told_of_once(
    told: Cluster, recorder: Recorder, backend: FakeBackend
) -> None:
    backend.say("5", "PENDING")
    futures = [job_on(told, "5"), job_on(told, "5")]
    backend.say("5", "RUNNING")  # both are there by now to hear of it
    backend.wait_until(lambda: all(job.is_running() for job in futures))
    backend.say("5", "COMPLETED")
    assert all(job.wait(DEADLINE) for job in futures)
    assert told.drain_callbacks(DEADLINE)
    assert states(recorder) == [("PENDING", "RUNNING"), ("RUNNING", "COMPLETED")]
    assert recorder.hooks().count("on_completed_ctx") == 1


def test_who_closes_the_cluster_as_soon_as_the_job_has_ended_misses_nothing(
    told: Cluster, recorder: Recorder, backend: FakeBackend
) -> None:
    job = train.submit(told)(0.1)
    backend.finish(job, 5)
    assert job.wait(DEADLINE)
    told.close()
    assert recorder.hooks()[-1] == "on_completed_ctx"
    assert recorder.closed == 1


# --- arrays --------------------------------------------------------------------------------------


def test_an_array_is_packaged_and_submitted_once_and_its_elements_end_each(
    told: Cluster, recorder: Recorder, backend: FakeBackend
) -> None:
    array = told.map(train, [0.1, 0.2, 0.3])
    assert not recorder.told
    for job in array:
        backend.finish(job, 1.0)
    assert array.get_results(DEADLINE) == [1.0, 1.0, 1.0]
    assert told.drain_callbacks(DEADLINE)
    assert recorder.hooks()[:4] == [
        "on_begin_package_ctx",
        "on_end_package_ctx",
        "on_begin_submit_job_ctx",
        "on_end_submit_job_ctx",
    ]
    [end] = recorder.of("on_end_submit_job_ctx")
    assert (end.job_id, end.job_dir, end.array_size) == (array.id, array.job_dir, 3)
    assert (end.job, end.array_index, end.array_dir) == (None, None, array.job_dir)
    ended = {one.job_id: one for one in recorder.of("on_completed_ctx")}
    assert sorted(ended) == ["1_0", "1_1", "1_2"]
    assert ended["1_2"].array_index == 2
    assert {one.array_dir for one in ended.values()} == {array.job_dir}
    assert ended["1_2"].job is array[2]


def test_items_that_share_an_array_task_are_told_of_one_by_one(
    told: Cluster, recorder: Recorder, backend: FakeBackend
) -> None:
    array = told.map(train, [0.1, 0.2], pack=2).submit()
    backend.say("1_0", "RUNNING")
    backend.wait_until(lambda: all(job.is_running() for job in array))
    for job in array:
        backend.finish(job, 1.0)
    assert array.wait(DEADLINE)
    assert told.drain_callbacks(DEADLINE)
    ended = recorder.of("on_completed_ctx")
    assert sorted((one.job_id, one.array_index) for one in ended) == [("1_0", 0), ("1_0", 1)]
    assert len(recorder.of("on_job_status_update_ctx")) == 4


# --- callbacks that fail, are slow, or do things -------------------------------------------------


class Grumbling(BaseCallback):
    def on_end_submit_job_ctx(self, ctx: callbacks.SubmitEndContext) -> None:
        raise RuntimeError("no such dashboard")

    def on_completed_ctx(self, ctx: callbacks.CompletedContext) -> None:
        raise SystemExit(3)

    def close(self) -> None:
        raise RuntimeError("never opened")


def test_a_callback_that_fails_is_logged_and_fails_nothing_else(
    cluster_with: Make,
    recorder: Recorder,
    backend: FakeBackend,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = cluster_with(Grumbling(), recorder)
    job = train.submit(cluster)(0.1)
    backend.finish(job, 5)
    assert job.get_result(DEADLINE) == 5
    cluster.close()
    assert recorder.hooks()[-1] == "on_completed_ctx"
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert said == [
        "Grumbling.on_end_submit_job_ctx failed for job 1 of train",
        "Grumbling.on_completed_ctx failed for job 1 of train",
        "Grumbling.close failed",
    ]
    assert "no such dashboard" in caplog.text


class Stuck(BaseCallback):
    """Stays in its first hook until it is released."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.released = threading.Event()

    def on_end_submit_job_ctx(self, ctx: callbacks.SubmitEndContext) -> None:
        self.entered.set()
        self.released.wait()

    def on_completed_ctx(self, ctx: callbacks.CompletedContext) -> None:
        """Has to wait for the one above."""


def test_a_callback_that_hangs_holds_up_neither_jobs_nor_other_callbacks_nor_the_end(
    cluster_with: Make,
    recorder: Recorder,
    backend: FakeBackend,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stuck = Stuck()
    cluster = cluster_with(stuck, recorder)
    job = train.submit(cluster)(0.1)
    backend.finish(job, 5)
    assert stuck.entered.wait(DEADLINE)
    assert job.get_result(DEADLINE) == 5
    assert not cluster.drain_callbacks(0)
    monkeypatch.setattr(dispatching, "DRAIN_SECONDS", 0.01)
    cluster.close()
    assert recorder.hooks()[-1] == "on_completed_ctx"
    assert "the callback Stuck did not end in time: 3 calls" in caplog.text
    stuck.released.set()
    assert cluster.drain_callbacks(DEADLINE)


class Curious(BaseCallback):
    """Uses the job and the cluster in its hook."""

    def __init__(self) -> None:
        self.learned: list[Any] = []
        self.done = threading.Event()

    def on_completed_ctx(self, ctx: callbacks.CompletedContext) -> None:
        assert ctx.job is not None
        self.learned += [ctx.job.get_result(), ctx.job.get_status()]
        self.learned.append(ctx.job.cluster.drain_callbacks())
        if ctx.job_id == "1":
            backend: Any = ctx.job.cluster.backend
            backend.finish(train.submit(ctx.job.cluster)(0.2), 6)
        else:
            ctx.job.cluster.close()
            self.done.set()


def test_a_hook_may_ask_submit_and_close(cluster_with: Make, backend: FakeBackend) -> None:
    curious = Curious()
    cluster = cluster_with(curious)
    backend.finish(train.submit(cluster)(0.1), 5)
    assert curious.done.wait(DEADLINE)
    assert curious.learned == [5, "COMPLETED", False, 6, "COMPLETED", False]


def test_a_callback_is_called_in_one_thread_of_its_own(
    cluster_with: Make, backend: FakeBackend
) -> None:
    class Where(BaseCallback):
        def __init__(self) -> None:
            self.threads: set[threading.Thread] = set()

        def on_begin_package_ctx(self, ctx: Any) -> None:
            self.threads.add(threading.current_thread())

        on_completed_ctx = on_begin_package_ctx

    first, second = Where(), Where()
    cluster = cluster_with(first, second)
    submitters = [
        threading.Thread(target=lambda: backend.finish(train.submit(cluster)(0.1)))
        for _ in range(4)
    ]
    for one in submitters:
        one.start()
    for one in submitters:
        one.join()
    assert cluster.drain_callbacks(DEADLINE)
    assert len(first.threads) == len(second.threads) == 1
    assert len(first.threads | second.threads | set(submitters)) == 6
    cluster.close()
    assert not any(thread.is_alive() for thread in first.threads | second.threads)


def test_where_no_thread_can_be_started_the_end_catches_up(
    told: Cluster, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for an array that is submitted because the program ends, with Python 3.12 and newer."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("slurm-callback"):
            raise RuntimeError("can't create new thread at interpreter shutdown")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    told.map(train, [0.1])
    told.close()
    assert recorder.hooks()[-1] == "on_end_submit_job_ctx"
    assert recorder.closed == 1


def test_only_hooks_that_are_overridden_cost_anything(
    cluster_with: Make, backend: FakeBackend
) -> None:
    class Nothing(BaseCallback):
        pass

    before = set(threading.enumerate())
    cluster = cluster_with(Nothing())
    job = train.submit(cluster)(0.1)
    backend.finish(job, 5)
    assert job.get_result(DEADLINE) == 5
    started = {thread.name for thread in set(threading.enumerate()) - before}
    assert started <= {"slurm-listen", "slurm-poll"}


def test_a_callback_is_called_on_the_client_in_the_runner_or_in_both() -> None:
    assert [str(locus) for locus in ExecutionLocus] == ["client", "runner", "both"]
    assert BaseCallback.locus is ExecutionLocus.CLIENT


def test_a_callback_of_the_runner_alone_hears_nothing_here(
    cluster_with: Make, backend: FakeBackend, recorder: Recorder
) -> None:
    recorder.locus = ExecutionLocus.RUNNER
    cluster = cluster_with(recorder)
    job = train.submit(cluster)(0.1)
    backend.finish(job, 5)
    assert job.wait(DEADLINE)
    cluster.close()
    assert not recorder.told
    assert not recorder.closed


# --- polling -------------------------------------------------------------------------------------


def test_a_callback_that_polls_is_told_of_every_live_job_again_and_again(
    cluster_with: Make, recorder: Recorder, backend: FakeBackend
) -> None:
    assert BaseCallback.poll_interval_secs is None
    recorder.poll_interval_secs = 0.02
    quiet = Recorder()
    cluster = cluster_with(recorder, quiet, longest=600)
    backend.say("5", "RUNNING", node="c1")
    backend.say("6", "PENDING", reason="Priority")
    job_on(cluster, "5")
    job_on(cluster, "6")

    def still() -> set[tuple[str, str, str, str]]:
        updates = recorder.of("on_job_status_update_ctx")
        same = [one for one in updates if not one.changed]
        return {(one.job_id, str(one.state), one.node, one.reason) for one in same}

    backend.wait_until(
        lambda: {("5", "RUNNING", "c1", ""), ("6", "PENDING", "", "Priority")} <= still()
    )
    count = len(recorder.told)
    backend.wait_until(lambda: len(recorder.told) >= count + 6)
    assert all(sorted(query) == ["5", "6"] for query in backend.queries[1:])
    assert states(quiet) == [("PENDING", "RUNNING")]


def test_polling_asks_the_scheduler_no_more_often_than_the_clusters_shortest_interval(
    cluster_with: Make, recorder: Recorder, backend: FakeBackend
) -> None:
    recorder.poll_interval_secs = 0.001
    cluster = cluster_with(recorder, shortest=600, longest=600)
    job = job_on(cluster, "5")
    backend.say("5", "RUNNING")
    assert job.get_status() == "RUNNING"
    asked = []
    for number in range(5):  # each wakes the tracker, which looks if it is time
        listened = backend.listened
        backend.tell(f"noise {number}")
        backend.wait_until(lambda listened=listened: backend.listened > listened)  # type: ignore[misc]
        asked.append(len(backend.queries))
    assert asked[1] == asked[-1], "one look may have been under way"
    assert cluster.drain_callbacks(DEADLINE)
    updates = recorder.of("on_job_status_update_ctx")
    assert [one.changed for one in updates[:2]] == [True, False], "a change keeps no poll away"


def test_a_callback_that_is_behind_is_spared_a_round(
    cluster_with: Make, backend: FakeBackend
) -> None:
    class Slow(Stuck):
        poll_interval_secs = 0.001
        count = 0

        def on_job_status_update_ctx(self, ctx: callbacks.JobStatusUpdatedContext) -> None:
            self.count += 1
            self.on_end_submit_job_ctx(ctx)  # type: ignore[arg-type]

    slow = Slow()
    cluster = cluster_with(slow)
    backend.say("5", "PENDING")
    job_on(cluster, "5")
    assert slow.entered.wait(DEADLINE)
    asked = len(backend.queries)
    backend.wait_until(lambda: len(backend.queries) > asked + 5)
    assert slow.count == 1
    slow.released.set()


# --- none at all ---------------------------------------------------------------------------------


def test_without_callbacks_nothing_of_this_is_loaded(run_python: Any) -> None:
    run_python(
        "-c",
        "import sys\nfrom slurm import Cluster, task\ncluster = Cluster('local')\n"
        "cluster.dry_run(task(lambda: 1))\n"
        "loaded = {name for name in sys.modules if name.startswith('slurm.callbacks.')}\n"
        "assert loaded == set(), loaded\n"
        "assert cluster.callbacks == () and cluster.drain_callbacks(0)",
        HOME="/tmp",
    )


@pytest.mark.parametrize("name", callbacks.__all__)
def test_every_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(callbacks, name).__name__ == name
    assert name in dir(callbacks)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'slurm\.callbacks' has no attribute 'Looger'"):
        _ = callbacks.Looger


def test_a_base_callback_answers_every_hook_with_nothing() -> None:
    hooks = [name for name in dir(BaseCallback) if name.startswith("on_")]
    assert sorted(hooks) == sorted(
        [
            "on_begin_package_ctx",
            "on_end_package_ctx",
            "on_begin_submit_job_ctx",
            "on_end_submit_job_ctx",
            "on_begin_run_job_ctx",
            "on_end_run_job_ctx",
            "on_job_status_update_ctx",
            "on_completed_ctx",
            "on_transfer_ctx",
        ]
    )
    for hook in hooks:
        assert getattr(BaseCallback(), hook)(callbacks.CallbackContext("train")) is None
