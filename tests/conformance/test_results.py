"""A job that ends well: its result, its states, what it sees of itself, what it leaves behind."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.conformance.sites import Gate
from tests.conformance.waiting import PATIENCE, wait_until

import conformance_tasks as tasks
from slurm import Cluster, Job, JobContext
from slurm.errors import RemoteFileError, ResultCorrupted

NAME = "other name; $(x) 'y'"


@pytest.fixture(scope="module")
def described(client: Cluster) -> Job[dict[str, Any]]:
    submit = client.submit(
        tasks.describe, cpus_per_task=2, job_name=NAME, comment='a "comment"; $(x)'
    )
    return submit([client.job_base_dir, f"{client.job_base_dir}/.sdk"], greeting="good day")


@pytest.fixture(scope="module")
def seen(described: Job[dict[str, Any]]) -> dict[str, Any]:
    return described.get_result(PATIENCE)


@pytest.fixture
def context(seen: dict[str, Any]) -> JobContext:
    context = seen["context"]
    assert isinstance(context, JobContext)
    return context


def test_a_job_ends_with_the_result_of_its_function(described: Job[Any], client: Cluster) -> None:
    assert described.get_result(PATIENCE) is described.get_result()
    assert described.get_status() == "COMPLETED"
    assert described.is_completed()
    assert described.is_successful()
    assert not described.is_running()
    assert described.cluster is client


def test_a_running_job_says_so_and_one_that_must_wait_is_pending(
    cluster: Cluster, gate: Gate
) -> None:
    running = tasks.wait_for(gate.path, "went")
    waiting = tasks.strangely_named.after(running)()
    wait_until(lambda: running.get_status() == "RUNNING", "the job runs")
    assert running.is_running()
    assert waiting.get_status() == "PENDING"
    assert not waiting.is_running()
    assert not any(job.is_completed() or job.is_successful() for job in (running, waiting))
    with pytest.raises(TimeoutError, match=rf"job {running.id} \(wait_for\)"):
        running.get_result(timeout=0.01)
    assert not running.wait(timeout=0)
    gate.open()
    assert waiting.get_result(PATIENCE) == "ran"
    assert running.get_result(PATIENCE) == "went"


def test_a_task_of_any_name_has_a_directory_inside_the_base(cluster: Cluster) -> None:
    request = cluster.dry_run(tasks.strangely_named)
    base, name, _ = request.job_dir.rsplit("/", 2)
    assert base == cluster.job_base_dir
    assert re.fullmatch("_______odd__x__name-[0-9a-f]{8}", name)


def test_a_job_prints_to_files_of_its_own(described: Job[Any], seen: Any) -> None:
    assert described.get_stdout() == "good day stdout\n"
    assert described.get_stderr() == "good day stderr\n"


def test_a_job_knows_itself(described: Job[Any], context: JobContext) -> None:
    assert context.job_id == described.id
    assert str(context.job_dir) == described.job_dir
    assert context.job_name == NAME
    assert (context.num_nodes, context.ntasks, context.cpus_per_task) == (1, 1, 2)
    assert context.attempt == 1
    assert context.partition
    assert (context.rank, context.world_size, context.local_world_size) == (0, 1, 1)
    assert (context.array_job_id, context.array_task_id, context.array_index) == (None, None, None)


def test_a_job_knows_where_it_runs_and_how_long_it_may(
    described: Job[Any], seen: dict[str, Any]
) -> None:
    assert len(seen["hosts"]) == 1
    assert 0 < seen["time left"] <= 300
    assert seen["shared"] == (f"{described.job_dir}/shared", 0o700)


def test_a_job_runs_in_its_directory_with_slurms_variables(
    described: Job[Any], seen: dict[str, Any]
) -> None:
    assert seen["directory"] == described.job_dir
    environment = seen["environment"]
    assert environment["JOB_DIR"] == described.job_dir
    assert environment["SLURM_JOB_ID"] == described.id
    assert environment["SLURM_CPUS_PER_TASK"] == "2"
    assert environment["SLURM_JOB_NAME"] == NAME


def test_directories_are_for_their_owner_alone(
    client: Cluster, described: Job[Any], seen: dict[str, Any]
) -> None:
    base = client.job_base_dir
    assert seen["modes"] == dict.fromkeys([base, f"{base}/.sdk", described.job_dir], 0o700)


def test_the_job_directory_holds_what_the_contract_names(
    client: Cluster, described: Job[Any], seen: Any
) -> None:
    base, task_name, run = described.job_dir.rsplit("/", 2)
    assert (base, task_name) == (client.job_base_dir, "describe")
    day, time_of_day, unique = run.split("_")
    assert re.fullmatch("[0-9a-f]{8}", unique)
    listed = client.backend.list_directory(described.job_dir)
    names = {name for name in listed if not name.startswith(".")}
    output = {f"slurm_{described.id}.out", f"slurm_{described.id}.err"}
    # The task's own module travels where the node does not have it.
    assert names - {"module.py", "shared"} == {
        "job.sh",
        "payload.pkl",
        "result.pkl",
        "metadata.json",
        *output,
    }
    told = json.loads(client.backend.read_file(f"{described.job_dir}/metadata.json"))
    assert told["job_id"] == described.id
    assert told["status"] == "completed"
    assert told["pre_submission_id"] == run
    assert re.sub("[-:]", "", told["timestamp"]).startswith(f"{day}T{time_of_day}.")
    assert told["task_name"] == "describe"
    assert told["attempt"] == 1
    assert told["is_workflow"] is False
    assert told["parent_workflow"] is None


def test_the_explicit_form_submits_to_the_cluster_it_names(
    client: Cluster, described: Job[Any]
) -> None:
    job = client.submit(tasks.double, after=described, cpus_per_task=1)(5)
    assert job.get_result(PATIENCE) == 10
    assert job.dependencies == (described,)
    assert described.is_completed()


def test_a_pipe_in_the_place_of_a_result_is_refused_at_once_everywhere(cluster: Cluster) -> None:
    ended = tasks.double(4)
    assert ended.get_result(PATIENCE) == 8
    path = f"{ended.job_dir}/result.pkl"
    dependent = tasks.double.after(tasks.put_a_pipe.after(ended)(path))(ended)
    with pytest.raises(
        ResultCorrupted, match=r"Not a regular file but a named pipe: .*result\.pkl"
    ):
        dependent.get_result(PATIENCE)
    again = Job.from_dir(ended.job_dir, cluster=cluster)
    for read in (again.get_result, lambda timeout: cluster.backend.read_file(path)):
        with pytest.raises(RemoteFileError, match="Not a regular file but a named pipe"):
            read(timeout=PATIENCE)
