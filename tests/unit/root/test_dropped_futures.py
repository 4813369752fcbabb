"""Jobs and clusters that a program drops while the jobs run. The backend is a fake."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
from tests.helpers.fakes import FakeBackend

from slurm import Cluster, Job, task
from slurm.callbacks import BaseCallback, CompletedContext, SubmitEndContext
from slurm.errors import SlurmError

DEADLINE = 60.0


@task
def double(number: int) -> int:
    return 2 * number


class Remembers(BaseCallback):
    """Notes something about a job, in a dictionary that holds no job, and what is left of it at its end."""

    def __init__(self) -> None:
        self.known: weakref.WeakKeyDictionary[Job[object], str] = weakref.WeakKeyDictionary()
        self.found: list[str | None] = []
        self.completed = threading.Event()

    def on_end_submit_job_ctx(self, ctx: SubmitEndContext) -> None:
        assert ctx.job is not None
        self.known[ctx.job] = ctx.job_id or ""

    def on_completed_ctx(self, ctx: CompletedContext) -> None:
        self.found.append(None if ctx.job is None else self.known.get(ctx.job))
        self.completed.set()


def test_callbacks_are_told_of_one_future_though_nobody_else_holds_it(backend: FakeBackend) -> None:
    callback = Remembers()
    cluster = Cluster(backend, job_base_dir="/jobs", callbacks=[callback], poll_interval_min=0.01)
    for job_id in ("1", "2"):  # a thread of ours may still have the last one in hand
        backend.say(job_id, "RUNNING")
        double.submit(cluster)(1)
    assert cluster.drain_callbacks(DEADLINE)
    gc.collect()
    backend.say("1", "FAILED")
    assert callback.completed.wait(DEADLINE)
    assert callback.found == ["1"]
    cluster.close()


def test_a_cluster_is_there_until_its_jobs_have_ended(backend: FakeBackend) -> None:
    """It is closed when the program exits: its notes are written then, and its directory of events removed."""
    backend.say("1", "RUNNING")

    def submit() -> weakref.ref[Cluster]:
        cluster = Cluster(backend, job_base_dir="/jobs", poll_interval_min=0.01)
        double.submit(cluster)(1)
        return weakref.ref(cluster)

    dropped = submit()
    gc.collect()
    cluster = dropped()
    assert cluster is not None
    cluster.close()


def test_a_job_that_has_ended_is_not_held(fake_cluster: Cluster, backend: FakeBackend) -> None:
    backend.say("1", "RUNNING")
    job = double.submit(fake_cluster)(1)
    told, dropped = threading.Event(), weakref.ref(job)
    job.add_done_callback(lambda _: told.set())
    backend.finish(job)
    assert told.wait(DEADLINE)
    del job
    # The next job's end is told after the first one was let go.
    second = double.submit(fake_cluster)(2)
    backend.finish(second, 4)
    assert second.get_result(DEADLINE) == 4
    after = threading.Event()
    second.add_done_callback(lambda _: after.set())
    assert after.wait(DEADLINE)
    gc.collect()
    assert dropped() is None


def test_an_array_whose_cluster_is_closed_says_so(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    for element in ("1_0", "1_1"):
        backend.say(element, "RUNNING")
    array = fake_cluster.map(double, [1, 2])
    assert array.ids == ("1",)
    threading.Timer(0.2, fake_cluster.close).start()
    with pytest.raises(SlurmError, match=r"job 1_0 is watched no more: its cluster was closed"):
        array.get_results(DEADLINE)


def test_cancel_on_interrupt_may_be_set_later_and_the_backend_may_not(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("1", "RUNNING")
    job = double.submit(fake_cluster)(1)
    fake_cluster.cancel_on_interrupt = True
    fake_cluster.operations.interrupted(job.records)
    assert backend.cancelled == ["1"]
    for name in ("backend", "submit_defaults"):
        with pytest.raises(AttributeError):
            setattr(fake_cluster, name, None)
