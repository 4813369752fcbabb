"""Arrays are watched as arrays: a job of an item is made when somebody asks for it. The scheduler is a fake."""

from __future__ import annotations

import gc
import pickle
import threading
import tracemalloc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from tests.conformance.forking import forks, in_child
from tests.conformance.waiting import wait_until
from tests.helpers.fakes import DEADLINE, FakeBackend

from slurm import ArrayJob, Cluster, Job, as_completed, task
from slurm.callbacks import BaseCallback, CompletedContext, JobStatusUpdatedContext
from slurm.errors import SlurmError
from slurm.job_dir.arguments import load_arguments
from slurm.job_dir.payload import load_payload
from slurm.states import Observation
from slurm.tracking.element_record import ElementRecord


@task
def double(number: int) -> int:
    return 2 * number


@task
def total(numbers: Any) -> Any:
    return sum(numbers)


class Running(FakeBackend):
    """Says that what it was not told anything of runs."""

    def query_jobs(self, job_ids: Any) -> list[Observation]:
        for job_id in job_ids:
            if job_id not in self.said:
                self.say(job_id, "RUNNING")
        return super().query_jobs(job_ids)


@pytest.fixture
def running() -> Running:
    return Running()


@pytest.fixture
def cluster(running: Running) -> Iterator[Cluster]:
    with Cluster(running, job_base_dir="/jobs", poll_interval_min=0.01) as made:
        yield made
    made.close()


def alive() -> int:
    """How many jobs and records of items there are."""
    gc.collect()
    return sum(type(one) in (Job, ElementRecord) for one in gc.get_objects())


def test_an_array_of_many_items_is_no_futures_until_one_is_asked_for(cluster: Cluster) -> None:
    before = alive()
    array = double.map(range(20_000), pack=5_000).submit()
    assert not array.is_completed()
    assert not array.wait(0)
    assert "of 20000" in repr(array)
    assert alive() - before == 0
    last = array[-1]
    assert (len(array), last.element.index if last.element else 0) == (20_000, 19_999)
    assert alive() - before == 2


def test_an_item_of_a_live_array_takes_few_bytes(patient_cluster: Cluster) -> None:
    def held() -> int:
        """The bytes that `slurm.tracking` holds of what it has made since this began."""
        gc.collect()
        own = tracemalloc.Filter(True, "*/slurm/tracking/*")
        snapshot = tracemalloc.take_snapshot().filter_traces([own])
        return sum(one.size for one in snapshot.statistics("filename"))

    def taken(count: int) -> int:
        before = held()
        arrays.append(patient_cluster.map(double, range(count), pack=count).submit())
        assert not arrays[-1].is_completed()
        return held() - before

    arrays: list[ArrayJob[int]] = []
    tracemalloc.start()
    try:
        taken(1)  # what the first array of all makes once
        few, many = taken(1_000), taken(10_000)
    finally:
        tracemalloc.stop()
    assert 0 < many - few < 9_000 * 64


def test_the_job_of_an_item_is_one_as_long_as_it_is_held(cluster: Cluster) -> None:
    array = double.map(range(5)).submit()
    second, jobs = array[1], list(array)
    assert array[1] is array[-4] is array.jobs[1] is jobs[1] is second
    assert array[1:3] == list(array.jobs[1:3]) == jobs[1:3]
    assert all(one is other for one, other in zip(array, array.jobs))
    assert array.jobs == tuple(jobs) == array.jobs
    assert array.jobs != tuple(jobs[:4])
    assert second in array
    dropped = weakref.ref(jobs.pop())
    gc.collect()
    assert dropped() is None
    with pytest.raises(IndexError, match=r"array 1 of 5 \(double\) has no item 5"):
        array[5]


def test_what_is_known_of_an_item_does_not_go_with_its_job(
    cluster: Cluster, running: Running
) -> None:
    array = double.map(range(3)).submit()
    running.finish(array[1], 2)
    assert array[1].get_result(DEADLINE) == 2
    gc.collect()
    running.files.clear()
    assert array[1].get_result(0) == 2
    assert [job.is_completed() for job in array] == [False, True, False]


def test_a_callback_is_told_of_the_same_job_though_nobody_else_holds_it(
    cluster: Cluster, running: Running
) -> None:
    array, told = double.map(range(3)).submit(), threading.Event()
    found: list[Any] = []

    def tell(job: Job[int]) -> None:
        found.append((job, array[2] is job))
        told.set()

    array[2].add_done_callback(tell)
    gc.collect()
    running.finish(array[2], 4)
    assert told.wait(DEADLINE)
    assert found == [(array[2], True)]


class Remembers(BaseCallback):
    """Notes something about each job that it hears of, in a dictionary that holds none, and what is left of it at its end."""

    def __init__(self) -> None:
        self.known: weakref.WeakKeyDictionary[Job[Any], str] = weakref.WeakKeyDictionary()
        self.found: dict[int | None, str | None] = {}

    def on_job_status_update_ctx(self, ctx: JobStatusUpdatedContext) -> None:
        assert ctx.job is not None
        self.known.setdefault(ctx.job, str(ctx.state))

    def on_completed_ctx(self, ctx: CompletedContext) -> None:
        assert ctx.job is not None
        self.found[ctx.array_index] = self.known.get(ctx.job)


def test_hooks_are_told_of_one_job_for_each_item_until_its_end(running: Running) -> None:
    hears = Remembers()
    cluster = Cluster(running, job_base_dir="/jobs", callbacks=[hears], poll_interval_min=0.01)
    array = cluster.map(double, range(4), pack=2).submit()
    running.wait_until(lambda: len(hears.known) == 4)
    gc.collect()
    for index in range(4):
        running.finish(array[index], 1)
    assert array.wait(DEADLINE)
    assert cluster.drain_callbacks(DEADLINE)
    assert hears.found == dict.fromkeys(range(4), "RUNNING")
    # Threads that have told of the ends have the jobs in hand until they wait again; that of the callbacks the last one.
    wait_until(lambda: gc.collect() >= 0 and len(hears.known) <= 1, "nobody has them in hand")
    cluster.close()


def test_as_completed_gives_each_once_in_the_order_of_their_ends(
    cluster: Cluster, running: Running
) -> None:
    array, held = double.map(range(4)).submit(), []
    ended = as_completed(array, DEADLINE)
    for index in (2, 0):
        running.finish(array[index], index)
        held.append(next(ended))
        assert held[-1] is array[index]
    assert sorted(job.id for job in as_completed(array[::2], DEADLINE)) == ["1_0", "1_2"]
    first = as_completed(array.jobs, DEADLINE)
    assert {next(first).id, next(first).id} == {"1_0", "1_2"}
    first.close()  # type: ignore[attr-defined]  # a generator
    with pytest.raises(TimeoutError, match=r"2 of 4 jobs have not ended.*RUNNING: items 1, 3"):
        list(as_completed(array, 0.01))
    for index in (1, 3):
        running.finish(array[index], index)
    assert sorted(job.id for job in ended) == ["1_1", "1_3"]
    assert [job.id for job in as_completed(array)] == [f"1_{index}" for index in range(4)]


@forks
def test_a_child_goes_on_with_what_its_parent_has_not_been_given(running: Running) -> None:
    running.say("1_0", "COMPLETED")
    running.say("1_2", "COMPLETED")
    cluster = Cluster(running, job_base_dir="/jobs", poll_interval_min=0.01)
    array = cluster.map(double, range(3)).submit()
    ended = as_completed(array, DEADLINE)
    given = [next(ended).id, next(ended).id]

    def child() -> Any:
        running.__init__()  # type: ignore[misc]  # a lock of it may be held by a thread that is not here
        running.say("1_1", "COMPLETED")
        return [job.id for job in ended], array.is_completed()

    assert in_child(child) == (["1_1"], True)
    assert sorted(given) == ["1_0", "1_2"]
    assert not array.is_completed()
    cluster.close()


def test_whoever_waits_is_told_that_nobody_watches_any_more(
    cluster: Cluster, running: Running
) -> None:
    array, told = double.map(range(3)).submit(), threading.Event()
    array.add_done_callback(lambda _: told.set())
    threading.Timer(0.05, cluster.close).start()
    assert [job.is_completed() for job in as_completed(array, DEADLINE)] == [False] * 3
    assert told.wait(DEADLINE)
    with pytest.raises(SlurmError, match="job 1_0 is watched no more: its cluster was closed"):
        array.wait(DEADLINE)


def test_jobs_of_items_do_not_travel_and_as_arguments_are_results(
    cluster: Cluster, running: Running
) -> None:
    array = double.map(range(2)).submit()
    for what in (array[0], array.jobs, array):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(what)
    total(array.jobs)
    payload = load_payload(running.requests[-1].files["payload.pkl"])
    args, _ = load_arguments(payload.arguments, lambda placeholder: placeholder.job_id)
    assert args == (("1_0", "1_1"),)
    assert running.requests[-1].submit_options["dependency"] == "afterok:1_0:1_1"


def test_one_question_is_about_what_has_not_ended(cluster: Cluster, running: Running) -> None:
    running.max_array_size = 4
    array = double.map(range(9), pack=3).submit()
    running.wait_until(lambda: running.queries[-1:] == [["1_0", "1_1", "1_2"]])
    for job in array[3:6]:
        running.finish(job, 1)
    running.wait_until(lambda: running.queries[-1] == ["1_0", "1_2"])
    assert array[0].get_status() == "RUNNING"
    assert {str(job.status.state) for job in array[6:]} == {"RUNNING"}
