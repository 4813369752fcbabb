"""Workflows: jobs that submit jobs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from tests.conformance.sites import Gate
from tests.conformance.waiting import PATIENCE

import conformance_tasks as tasks
from slurm import ArrayJob, Cluster, Job, task


class Survey(NamedTuple):
    """A workflow that has ended, what it returned, and the gate of the job it did not wait for."""

    job: Job[Any]
    said: dict[str, Any]
    gate: Gate | None = None


@pytest.fixture(scope="module")
def survey(client: Cluster, new_gate: Callable[[], Gate]) -> Survey:
    gate = new_gate()
    job = tasks.survey.submit(client)([1, 20], gate.path)
    return Survey(job, job.get_result(PATIENCE), gate)


def metadata(client: Cluster, job_dir: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(client.backend.read_file(f"{job_dir}/metadata.json"))
    return content


def test_a_workflow_gets_the_results_of_its_jobs(survey: Survey) -> None:
    assert survey.said["results"] == [2, 40]
    assert survey.said["sum"] == 42
    assert survey.job.cluster.backend.file_exists(f"{survey.job.job_dir}/result.pkl")


def test_a_workflow_gets_what_its_jobs_raise(survey: Survey) -> None:
    assert isinstance(survey.said["caught"], tasks.Unlucky)
    assert survey.said["caught"].code == 5
    assert "raise Unlucky(message, code)" in survey.said["remote traceback"]
    assert isinstance(survey.said["cause"], tasks.Unlucky)


def test_a_workflow_may_run_workflows(survey: Survey) -> None:
    inner = survey.said["inner"]
    assert inner["value"] == 84
    assert survey.said["inner_again"] == inner
    assert inner["own_dir"] == survey.said["inner_dir"]
    assert inner["own_dir"].startswith(f"{survey.job.job_dir}/tasks/inner_workflow/")
    assert inner["child_dir"].startswith(f"{inner['own_dir']}/tasks/double/")


def test_a_workflow_has_a_context(survey: Survey) -> None:
    own = {name: value for name, value in survey.said["own"].items() if name != "local_mode"}
    folder = survey.job.job_dir
    assert {name: str(value) for name, value in own.items()} == {
        "workflow_job_id": survey.job.id,
        "workflow_job_dir": folder,
        "shared_dir": f"{folder}/shared",
        "result_path": f"{folder}/result.pkl",
        "metadata_path": f"{folder}/metadata.json",
        "tasks_dir": f"{folder}/tasks",
    }
    assert survey.said["own"]["local_mode"] is (survey.job.cluster.backend_type == "local")
    assert survey.said["base"] == survey.job.cluster.job_base_dir
    assert survey.said["active"] is True
    backend, base = survey.said["cluster"]
    assert (backend == "local") is survey.said["own"]["local_mode"]
    assert base == survey.job.cluster.job_base_dir


def test_a_workflow_still_prints_to_files_of_its_own(survey: Survey) -> None:
    assert survey.job.get_stdout() == "surveying 2\n"
    assert "with care\n" in survey.job.get_stderr()


def test_a_workflow_finds_the_runs_of_its_tasks_newest_first(survey: Survey) -> None:
    assert survey.said["runs"] == survey.said["doubles"][::-1]
    assert str(survey.said["output_dir"]) == f"{survey.job.job_dir}/tasks/double"


def test_the_jobs_of_a_workflow_lie_under_it(survey: Survey, client: Cluster) -> None:
    tasks_dir = f"{survey.job.job_dir}/tasks"
    names = ["add", "double", "fail", "fail_if_odd", "inner_workflow", "wait_for"]
    assert client.backend.list_directory(tasks_dir) == names
    for folder in survey.said["doubles"]:
        assert re.fullmatch(re.escape(f"{tasks_dir}/double/") + r"\d{8}_\d{6}_[0-9a-f]{8}", folder)
        assert b"#SBATCH --mem=100M\n" in client.backend.read_file(f"{folder}/job.sh")
    assert survey.said["modes"] == {0o700}
    note = client.backend.read_file(f"{survey.job.job_dir}/shared/note")
    assert note == b"from the workflow"
    told = metadata(client, survey.job.job_dir)
    assert (told["is_workflow"], told["parent_workflow"]) == (True, None)
    child = metadata(client, survey.said["doubles"][0])
    assert (child["is_workflow"], child["parent_workflow"]) == (False, survey.job.id)
    inner = metadata(client, survey.said["inner_dir"])
    assert (inner["is_workflow"], inner["parent_workflow"]) == (True, survey.job.id)
    grandchild = metadata(client, survey.said["inner"]["child_dir"])
    assert grandchild["parent_workflow"] == inner["job_id"]


def test_the_directory_of_a_workflow_holds_what_the_contract_names(
    survey: Survey, client: Cluster
) -> None:
    names = set(client.backend.list_directory(survey.job.job_dir))
    files = {"job.sh", "result.pkl", "metadata.json", ".slurm_environment.json"}
    output = {f"slurm_{survey.job.id}.out", f"slurm_{survey.job.id}.err"}
    expected = {*files, *output, "shared", "tasks"}
    assert expected <= names
    # The workflow's own module travels where the node does not have it.
    assert {name for name in names - expected if not name.startswith(".")} <= {
        "payload.pkl",
        "module.py",
    }


def test_a_workflow_writes_down_how_its_jobs_are_submitted(survey: Survey, client: Cluster) -> None:
    path = f"{survey.job.job_dir}/.slurm_environment.json"
    environment = json.loads(client.backend.read_file(path))
    backend = client.backend_type
    assert environment["backend_type"] == ("local" if backend == "local" else "slurm")
    assert environment["job_base_dir"] == client.job_base_dir
    assert environment["packaging"] == survey.said["packaging"]
    own = "source" if backend == "ssh" else "none"
    assert survey.said["packaging"]["type"] == own


def test_a_workflow_may_map_tasks(survey: Survey, client: Cluster) -> None:
    assert survey.said["mapped"] == survey.said["mapped_again"] == [0, 2]
    array = ArrayJob.from_dir(survey.said["mapped_dir"], client)
    assert array.job_dir.startswith(f"{survey.job.job_dir}/tasks/fail_if_odd/")
    assert array.get_results(PATIENCE) == [0, 2]
    told = json.loads(client.backend.read_file(f"{array.job_dir}/array_metadata.json"))
    assert told["parent_workflow"] == survey.job.id


def test_what_a_workflow_leaves_outlives_it(survey: Survey, client: Cluster) -> None:
    """An array that nobody used is submitted when the function has returned, as at the end of any context."""
    folder = f"{survey.job.job_dir}/tasks/wait_for"
    [run] = client.backend.list_directory(folder)
    assert survey.gate is not None
    survey.gate.wait_until_started()
    late = ArrayJob.from_dir(f"{folder}/{run}", client)
    assert late[0].get_status() == "RUNNING"
    survey.gate.open()
    assert late.get_results(PATIENCE) == ["late"]


@pytest.fixture(scope="module")
def look_up(client: Cluster) -> Survey:
    job = tasks.look_up.submit(client)()
    return Survey(job, job.get_result(PATIENCE))


def test_the_latest_run_is_waited_for(look_up: Survey) -> None:
    assert look_up.said["early"] == "not yet"
    assert look_up.said["raised"] == str(tasks.Unlucky("newest", 0))


def test_names_that_look_alike_are_looked_up_apart_and_the_latest_run_was_submitted_last(
    look_up: Survey,
) -> None:
    """Whatever became of the local time in between, and whichever way it was submitted."""
    assert look_up.said["latest"] == [-1, 4, "trained", "evaluated", "after"]
    other, double, train, evaluate, before, after, older, newest = look_up.said["jobs"]
    singles = [[other], [double], [train], [evaluate]]
    assert look_up.said["runs"] == [*singles, [after, before], [newest, older]]


def test_what_is_submitted_to_its_cluster_lies_under_a_workflow(
    look_up: Survey, client: Cluster
) -> None:
    for folder in look_up.said["jobs"]:
        assert folder.startswith(f"{look_up.job.job_dir}/tasks/")
        assert metadata(client, folder)["parent_workflow"] == look_up.job.id


def test_a_task_that_wants_to_submit_is_told_to_be_a_workflow(cluster: Cluster) -> None:
    wrong: Any = task(tasks.survey.unwrapped)
    with pytest.raises(TypeError, match="make it a @workflow"):
        wrong([1], "gate")
