"""Packs: several items of an array run in one job, and each has a result of its own."""

from __future__ import annotations

import json
import pickle
from contextlib import closing
from typing import Any, NamedTuple

import pytest
from tests.conformance.sites import Gate, Site
from tests.conformance.waiting import PATIENCE

import conformance_packs as packs
import conformance_tasks as tasks
from slurm import ArrayJob, Cluster, Job, JobTree
from slurm.errors import DependencyFailed, JobFailed, RemoteTraceback

SIZES = [3, 300_000, 5, 7, 1 << 20]  # what is large has a file of its own


class Packs(NamedTuple):
    """One of each kind, submitted together."""

    made: ArrayJob[bytes]
    failing: ArrayJob[bytes]
    plain: ArrayJob[Any]
    requested: ArrayJob[Any]
    taking: ArrayJob[Any]
    asking: ArrayJob[Any]
    killed: ArrayJob[int]
    back: ArrayJob[Any]
    user: Job[Any]
    never: Job[Any]
    folders: tuple[str, str]


@pytest.fixture(scope="module")
def arrays(client: Cluster, site: Site) -> Packs:
    folders = site.folder(client), site.folder(client)
    with client:
        made, failing = packs.make.map(SIZES, pack=3), packs.make.map([1, -2, 3, -4], pack=3)
        names = ["first", "second"]
        return Packs(
            made,
            failing,
            packs.place.map(names, pack=2),
            packs.place.map(names, pack=2, item_dirs=True),
            packs.place_of_job.map(names, pack=2),
            packs.asked_place.map(names, pack=2),
            packs.killed_at_two.map([(n, folders[0]) for n in range(5)], pack=4),
            packs.comes_back.map([(n, folders[1]) for n in range(5)], pack=4),
            tasks.echo(made, made[1], [made[4]]),
            tasks.echo(failing),
            folders,
        )


def names_in(client: Cluster, path: str) -> set[str]:
    return {name for name in client.backend.list_directory(path) if not name.startswith(".")}


def test_every_item_has_its_result_large_or_small(arrays: Packs, client: Cluster) -> None:
    expected = [bytes(size) for size in SIZES]
    assert arrays.made.get_results(PATIENCE) == expected
    assert arrays.made.get_results(PATIENCE) == expected, "a second time"
    folder = arrays.made.job_dir
    assert names_in(client, f"{folder}/records") == {f"{arrays.made.id}_{n}.1" for n in range(2)}
    assert names_in(client, f"{folder}/tasks") == {"001", "004"}


def test_they_are_aggregated_wherever_they_are(arrays: Packs, client: Cluster) -> None:
    results = arrays.made.get_results(PATIENCE)
    content = client.backend.read_file(f"{arrays.made.get_results_dir()}/aggregated.pkl")
    assert pickle.loads(content) == results  # noqa: S301 - the suite's own


def test_they_are_found_again(arrays: Packs, site: Site) -> None:
    array = arrays.made
    array.wait(PATIENCE)
    expected = [bytes(size) for size in SIZES]
    with closing(site.connect()) as later:
        assert later.get_array(array.id).get_results(PATIENCE) == expected
        again = ArrayJob.from_dir(array.job_dir, later)
        assert [job.get_result(PATIENCE) for job in again] == expected, "one by one"
        one = Job.from_dir(f"{array.job_dir}/tasks/002", later)
        assert (one.id, one.get_result(PATIENCE)) == (array[2].id, bytes(5))
        failed = later.get_array(arrays.failing.id)
        failed.wait(PATIENCE)
        assert [str(job.get_status()) for job in failed] == [
            *("COMPLETED", "FAILED", "COMPLETED", "FAILED")
        ]


def test_they_are_arguments_of_other_jobs(arrays: Packs) -> None:
    args, _ = arrays.user.get_result(PATIENCE)
    assert args == ([bytes(size) for size in SIZES], bytes(SIZES[1]), [bytes(SIZES[4])])


def test_a_job_that_waits_for_them_hears_which_item_raised(arrays: Packs) -> None:
    with pytest.raises(DependencyFailed, match="-2 is below zero") as raised:
        arrays.never.get_result(PATIENCE)
    assert raised.value.root_job_dir == f"{arrays.failing.job_dir}/tasks/001"


def test_the_files_of_an_item_that_failed_are_where_those_of_other_jobs_are(
    arrays: Packs, client: Cluster
) -> None:
    array = arrays.failing
    array.wait(PATIENCE)
    with pytest.raises(ValueError, match="-2 is below zero") as raised:
        array.get_results(PATIENCE)
    assert f"item 1 of 4 (job {array[1].id})" in getattr(raised.value, "__notes__", [""])[0]
    assert isinstance(raised.value.__cause__, RemoteTraceback)
    assert names_in(client, f"{array.job_dir}/tasks") == {"001", "003"}
    assert names_in(client, array[1].job_dir) == {"metadata.json", "result.pkl"}
    told = json.loads(client.backend.read_file(f"{array[1].job_dir}/metadata.json"))
    assert (told["status"], told["error"]) == ("failed", "ValueError: -2 is below zero")
    assert (told["task_name"], told["array_index"], told["attempt"]) == ("make", 1, 1)
    assert "raise ValueError" in array[1].get_stderr()
    assert array[1].get_stdout() == "making 1\nmaking -2\nmaking 3\n"


def test_items_run_in_the_directory_of_the_array(arrays: Packs, client: Cluster) -> None:
    array = arrays.plain
    found = array.get_results(PATIENCE)
    assert found == [(array.job_dir, job.job_dir, False) for job in array]
    assert {"first", "second"} <= names_in(client, array.job_dir)
    assert "tasks" not in names_in(client, array.job_dir)


@pytest.mark.parametrize("why", ["requested", "taking"])
def test_or_in_one_of_their_own_where_that_is_wanted(
    why: str, arrays: Packs, client: Cluster
) -> None:
    array: ArrayJob[Any] = getattr(arrays, why)
    found = array.get_results(PATIENCE)
    assert found == [(job.job_dir, job.job_dir, True) for job in array]
    for job, name in zip(array, ("first", "second")):
        files = {"metadata.json", "result.pkl"} if why == "requested" else set()
        assert names_in(client, job.job_dir) == {name, *files}
        if why == "taking":
            continue
        told = json.loads(client.backend.read_file(f"{job.job_dir}/metadata.json"))
        assert (told["status"], told["job_id"]) == ("completed", job.id)


def test_one_that_asks_for_its_directory_has_it(arrays: Packs, client: Cluster) -> None:
    array = arrays.asking
    assert array.get_results(PATIENCE) == [(array.job_dir, job.job_dir, True) for job in array]
    assert names_in(client, f"{array[1].job_dir}/shared") == {"second"}


def test_a_pack_that_goes_back_goes_on_where_it_was(arrays: Packs, client: Cluster) -> None:
    array = arrays.back
    attempts = [one["attempt"] for one in array.get_results(PATIENCE)]
    assert attempts == [1, 1, 2, 2, 1]
    with client:
        marks = packs.marks_in(arrays.folders[1]).get_result(PATIENCE)
    assert marks == [0, 1, 2, 2, 3, 4], "that which asked has begun twice"
    notes = json.loads(client.backend.read_file(f"{array.job_dir}/records/{array[0].id}.json"))
    assert notes["requeues"] == 1


def test_items_before_one_that_was_killed_have_their_results(
    arrays: Packs, client: Cluster
) -> None:
    array = arrays.killed
    found: list[Any] = array.get_results(PATIENCE, return_exceptions=True)
    assert [found[0], found[1], found[4]] == [0, 1, 4]
    assert [type(one) for one in found[2:4]] == [JobFailed, JobFailed]
    assert [str(job.get_status()) for job in array] == [
        *("COMPLETED", "COMPLETED", "FAILED", "FAILED", "COMPLETED")
    ]
    with client:
        assert packs.marks_in(arrays.folders[0]).get_result(PATIENCE) == [0, 1, 2, 4]


def test_the_tree_shows_each_item(arrays: Packs, client: Cluster) -> None:
    for array in (arrays.made, arrays.failing, arrays.back):
        array.wait(PATIENCE)
    [made] = JobTree.from_dir(arrays.made.job_dir, client).nodes
    assert (made.kind, made.count, dict(made.states())) == ("array", 5, {"COMPLETED": 5})
    assert [child.job_id for child in made.children] == [job.id for job in arrays.made]
    assert [child.path for child in made.children] == [f"tasks/{n:03}" for n in range(5)]
    assert all(one.started and one.ended and one.started <= one.ended for one in made.children)
    [failing] = JobTree.from_dir(arrays.failing.job_dir, client).nodes
    assert dict(failing.states()) == {"COMPLETED": 2, "FAILED": 2}
    assert failing.children[1].error == "ValueError: -2 is below zero"
    [back] = JobTree.from_dir(arrays.back.job_dir, client).nodes
    assert [child.attempt for child in back.children] == [1, 1, 2, 2, 1]


def test_an_item_is_known_to_have_ended_while_the_next_one_runs(
    cluster: Cluster, gate: Gate, site: Site
) -> None:
    array = packs.waits_at.map([(0, gate.path), (1, gate.path), (2, gate.path)], pack=3).submit()
    assert array[0].get_result(PATIENCE) == 0
    assert not array[1].is_completed()
    [node] = JobTree.from_dir(array.job_dir, cluster).nodes
    assert [str(child.state) for child in node.children] == ["COMPLETED", "RUNNING"]
    with closing(site.connect()) as later:
        again = later.get_array(array.id)
        assert again[0].get_result(PATIENCE) == 0
        assert not again[1].is_completed()
        gate.open()
        assert array.get_results(PATIENCE) == again.get_results(PATIENCE) == [0, 1, 2]
