"""Mapped tasks: one array of jobs for many items."""

from __future__ import annotations

import json
import pickle
from typing import Any, NamedTuple

import pytest
from tests.conformance.sites import Site
from tests.conformance.waiting import PATIENCE

import conformance_tasks as tasks
from conformance_tasks import Box, Pair
from slurm import ArrayJob, Cluster, Job, JobContext, gather
from slurm.errors import ConfigError, RemoteTraceback, SubmissionError


class Arrays(NamedTuple):
    """One array of each kind, submitted together."""

    mixed: ArrayJob[Any]
    described: ArrayJob[Any]
    failing: ArrayJob[int]
    packed: ArrayJob[int]
    bounded: ArrayJob[int]
    user: Job[Any]


@pytest.fixture(scope="module")
def arrays(client: Cluster, site: Site) -> Arrays:
    with client:
        packed = tasks.double.map(range(3), pack=2)
        changing = [5]
        items = [1, (2, 3), {"left": 4}, changing, Pair(6, 7), Box((packed[1],))]
        crowd = site.folder(client)
        made = Arrays(
            mixed=tasks.echo.map((item for item in items), pack=len(items)),
            described=tasks.describe.map([{"folders": []}, {"folders": [], "greeting": "hi"}]),
            failing=tasks.fail_if_odd.map([0, 1, 3]),
            packed=packed,
            bounded=tasks.busy.map([(crowd, n) for n in range(3)], max_concurrent=2),
            user=tasks.echo(
                packed, packed[2], [packed[0]], all={"of": packed, "none": tasks.double.map([])}
            ),
        )
        assert not made.mixed.is_submitted
        changing.append(6)  # after the call
    for array in made:
        assert not isinstance(array, ArrayJob) or array.is_submitted
    return made


def test_an_item_is_one_argument_or_several_or_keywords(arrays: Arrays) -> None:
    assert arrays.mixed.get_results(PATIENCE) == [
        ((1,), {}),
        ((2, 3), {}),
        ((), {"left": 4}),
        (([5],), {}),
        ((Pair(6, 7),), {}),
        ((Box((2,)),), {}),
    ]


def test_an_array_is_a_sequence_of_jobs(arrays: Arrays) -> None:
    array = arrays.failing
    assert len(array) == 3
    assert [job.id for job in array] == [f"{array.id}_{task}" for task in range(3)]
    assert array[1] is array[-2]
    assert array[1:3] == [array[1], array[2]]
    assert array[0].get_result(PATIENCE) == 0
    with pytest.raises(IndexError):
        array[3]
    with pytest.raises(tasks.Unlucky, match="3 is odd"):
        array[2].get_result(PATIENCE)


def test_the_first_failure_is_raised_with_its_index(arrays: Arrays) -> None:
    assert arrays.failing.wait(PATIENCE)
    with pytest.raises(tasks.Unlucky, match="1 is odd") as raised:
        arrays.failing.get_results()
    assert getattr(raised.value, "array_index", None) == 1
    assert (
        f"item 1 of 3 (job {arrays.failing[1].id})"
        in getattr(raised.value, "__notes__", ["none"])[0]
    )
    assert isinstance(raised.value.__cause__, RemoteTraceback)
    assert arrays.failing.is_completed()
    assert not arrays.failing.is_successful()


def test_exceptions_may_stand_where_there_is_no_value(arrays: Arrays) -> None:
    found: list[Any] = arrays.failing.get_results(PATIENCE, return_exceptions=True)
    assert [found[0], found[1].code, found[2].code] == [0, 1, 3]


def test_packed_items_share_a_job_and_have_results_of_their_own(arrays: Arrays) -> None:
    array = arrays.packed
    assert array.get_results(PATIENCE) == [0, 2, 4]
    assert [job.id for job in array] == [f"{array.id}_{task}" for task in (0, 0, 1)]
    assert len({job.job_dir for job in array}) == 3
    assert array[1].get_result() == 2


def test_an_array_and_its_elements_are_arguments(arrays: Arrays) -> None:
    args, kwargs = arrays.user.get_result(PATIENCE)
    assert args == ([0, 2, 4], 4, [0])
    assert kwargs == {"all": {"of": [0, 2, 4], "none": []}}
    assert arrays.packed in arrays.user.dependencies
    assert arrays.packed.dependencies == ()


def test_no_more_jobs_run_at_once_than_allowed(arrays: Arrays) -> None:
    assert max(arrays.bounded.get_results(PATIENCE)) <= 2


def test_an_element_knows_itself(arrays: Arrays) -> None:
    first, second = arrays.described.get_results(PATIENCE)
    for index, seen in enumerate((first, second)):
        context, environment = seen["context"], seen["environment"]
        assert isinstance(context, JobContext)
        assert context.job_id == arrays.described[index].id
        assert str(context.job_dir) == seen["directory"] == environment["JOB_DIR"]
        assert str(context.job_dir) == arrays.described[index].job_dir
        assert environment["SLURM_ARRAY_JOB_ID"] == arrays.described.id
        assert environment["SLURM_ARRAY_TASK_ID"] == str(index)
        assert (context.array_job_id, context.array_task_id) == (arrays.described.id, index)
        assert context.array_index == index
        numbers = [environment[f"SLURM_ARRAY_TASK_{n}"] for n in ("COUNT", "MIN", "MAX", "STEP")]
        assert numbers == ["2", "0", "1", "1"]
        assert {seen["mode of parent"], *seen["modes"].values()} == {0o700}
    assert first["environment"]["SLURM_JOB_ID"] != second["environment"]["SLURM_JOB_ID"]
    assert arrays.described[1].get_stdout() == "hi stdout\n"
    assert arrays.described[1].get_stderr() == "hi stderr\n"


def test_an_array_is_one_directory(arrays: Arrays, client: Cluster) -> None:
    array = arrays.described
    array.wait(PATIENCE)
    base, task_name, _ = array.job_dir.rsplit("/", 2)
    assert (base, task_name) == (client.job_base_dir, "describe")
    names = {n for n in client.backend.list_directory(array.job_dir) if not n.startswith(".")}
    files = {"array_metadata.json", "job.sh", "payload.pkl", "items.pkl"}
    assert names - {"module.py", "results"} == {*files, "tasks"}
    assert client.backend.list_directory(f"{array.job_dir}/tasks") == ["000", "001"]
    assert array[1].job_dir == f"{array.job_dir}/tasks/001"
    names = {n for n in client.backend.list_directory(array[1].job_dir) if not n.startswith(".")}
    output = {f"slurm_{array[1].id}.out", f"slurm_{array[1].id}.err"}
    assert names - {"shared"} == {"metadata.json", "result.pkl", *output}


def test_an_array_and_its_elements_have_metadata(arrays: Arrays, client: Cluster) -> None:
    array = arrays.described
    array.wait(PATIENCE)
    told = json.loads(client.backend.read_file(f"{array.job_dir}/array_metadata.json"))
    assert (told["job_id"], told["count"], told["task_name"]) == (array.id, 2, "describe")
    told = json.loads(client.backend.read_file(f"{array[1].job_dir}/metadata.json"))
    assert (told["job_id"], told["status"], told["attempt"]) == (array[1].id, "completed", 1)
    assert (told["task_name"], told["parent_workflow"]) == ("describe", None)


def test_results_are_aggregated_on_the_cluster(arrays: Arrays, client: Cluster) -> None:
    results = arrays.packed.get_results(PATIENCE)
    folder = arrays.packed.get_results_dir()
    assert folder == f"{arrays.packed.job_dir}/results"
    content = client.backend.read_file(f"{folder}/aggregated.pkl")
    assert pickle.loads(content) == results  # noqa: S301 - the suite's own


def test_what_makes_no_array_is_refused_where_it_is_written(cluster: Cluster) -> None:
    task: Any = tasks.never_submitted
    for items in ("text", 5):
        with pytest.raises(ConfigError, match=r"never_submitted\.map\(\)"):
            task.map(items)
    with pytest.raises(TypeError, match=r"double\.map\(\): item 1:"):
        tasks.double.map([1, (2, 3)])
    with pytest.raises(ConfigError, match="max_concurrent"):
        tasks.double.map([1], max_concurrent=0)
    assert not cluster.backend.file_exists(f"{cluster.job_base_dir}/never_submitted")


def test_nothing_is_submitted_for_no_items(cluster: Cluster) -> None:
    task: Any = tasks.never_submitted
    nothing: list[Any] = [[], iter(())]
    for items in nothing:
        array = task.map(items)
        assert array.done()
        assert array.get_results(PATIENCE) == list(array) == gather(array)[0] == []
    assert not cluster.backend.file_exists(f"{cluster.job_base_dir}/never_submitted")


def test_an_array_is_submitted_once_and_when_it_is_needed(cluster: Cluster) -> None:
    array = tasks.never_submitted.map([()])
    assert len(array) == 1
    assert not array.is_submitted
    array.cancel()
    with pytest.raises(SubmissionError, match="cancelled"):
        array.get_results(PATIENCE)


def test_an_array_is_found_again(arrays: Arrays, site: Site) -> None:
    array = arrays.packed
    array.wait(PATIENCE)
    later = site.connect()
    for again in (later.get_array(array.id), ArrayJob.from_dir(array.job_dir, later)):
        assert (again.id, again.job_dir, len(again)) == (array.id, array.job_dir, 3)
        assert again.get_results(PATIENCE) == [0, 2, 4]
    element = arrays.described[1]
    for found in (later.get_job(element.id), Job.from_dir(element.job_dir, later)):
        assert (found.id, found.job_dir) == (element.id, element.job_dir)
        assert found.get_result(PATIENCE)["context"].job_id == element.id
        assert found.get_stdout() == "hi stdout\n"
    later.close()
