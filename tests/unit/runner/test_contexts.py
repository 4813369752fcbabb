"""What a running job knows of itself, whom it tells, and workflows; as real processes."""

from __future__ import annotations

import atexit
import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.processes import RunJob, metadata_of, result_of

from slurm import Cluster, JobContext, errors, get_active_context, task, workflow
from slurm.testing.fake_slurm import FakeSlurm

SLURM = {
    "SLURM_JOB_ID": "42",
    "SLURM_JOB_NAME": "mine",
    "SLURM_JOB_PARTITION": "gpu",
    "SLURM_CPUS_PER_TASK": "4",
    "SLURM_RESTART_COUNT": "1",
    "SLURMD_NODENAME": "c1",
}


@pytest.mark.parametrize("name", ["with_job", "with_job_as_text"])
def test_a_job_context_is_injected_by_its_annotation(
    name: str, run_job: RunJob, tasks: Any
) -> None:
    run = run_job(getattr(tasks, name), 5, env=SLURM)
    job, number = result_of(run)
    expected = JobContext("42", "mine", run.directory, "gpu", "", 1, 1, 4, 2, cpus_on_node=4)
    assert (job, number) == (expected, 5)


def test_a_job_may_ask_for_its_context(run_job: RunJob, tasks: Any) -> None:
    assert result_of(run_job(tasks.without_parameter, env=SLURM)).job_id == "42"


def test_metadata_tells_the_jobs_story(run_job: RunJob, tasks: Any) -> None:
    good = metadata_of(run_job(tasks.echo, env=SLURM))
    bad = metadata_of(run_job(tasks.fails, "no\ndata"))
    assert (good["status"], bad["status"]) == ("completed", "failed")
    assert (good["job_id"], good["attempt"], good["node"]) == ("42", 2, "c1")
    assert good["python_version"].count(".") == 2
    assert good["started_at"] <= good["completed_at"]
    assert good["task_name"] == "echo"
    assert (good.get("error"), bad["error"]) == (None, "ValueError: no data")


# --- events --------------------------------------------------------------------------------------


def test_a_client_that_listens_is_told(run_job: RunJob, tasks: Any, fake_cluster: Cluster) -> None:
    events = Path(fake_cluster.site.event_dir)
    events.mkdir(parents=True)
    good, bad = run_job(tasks.echo), run_job(tasks.fails, "x", env=SLURM)
    assert set(os.listdir(events)) == {f"{good.request.token}.1.ok", f"{bad.request.token}.2.error"}


def test_a_client_that_is_gone_is_not_missed(
    run_job: RunJob, tasks: Any, fake_cluster: Cluster
) -> None:
    run = run_job(tasks.echo)
    assert (run.code, run.stderr) == (0, "")
    assert not Path(fake_cluster.site.event_dir).exists()


def test_an_event_that_cannot_be_left_does_not_fail_the_job(
    run_job: RunJob, tasks: Any, fake_cluster: Cluster
) -> None:
    """A full disk, or a client that takes its directory away at that moment: dependents go by the exit code."""
    events = Path(fake_cluster.site.event_dir)
    events.mkdir(parents=True)
    run = run_job(task(lambda: os.environ.__setitem__("SLURM_SDK_TOKEN", "t" * 300)))
    assert result_of(run) is None
    assert run.code == 0


def test_what_cannot_be_noted_after_the_result_does_not_fail_the_job(run_job: RunJob) -> None:
    """As with a quota that the result has just filled: dependents go by the exit code."""

    def spoils() -> None:
        path = Path(os.environ["JOB_DIR"], "metadata.json")
        path.unlink()
        path.mkdir()

    run = run_job(task(spoils))
    assert result_of(run) is None
    assert run.code == 0


# --- workflows -----------------------------------------------------------------------------------


def test_a_workflow_context_is_injected(run_job: RunJob, tasks: Any) -> None:
    run = run_job(tasks.with_workflow, number=5, env=SLURM)
    assert result_of(run) == {
        "id": "42",
        "dir": run.directory,
        "tasks": run.directory / "tasks",
        "local": False,
        "active": True,
        "number": 5,
    }
    assert (run.directory / "shared" / "note").read_text() == "from the workflow"
    environment = json.loads((run.directory / ".slurm_environment.json").read_text())
    assert environment["backend_type"] == "slurm"


def test_a_workflow_without_a_parameter_has_an_active_context(run_job: RunJob, tasks: Any) -> None:
    assert result_of(run_job(tasks.without_context)) == "WorkflowContext"


def test_a_workflow_that_has_returned_has_no_active_context_any_more(run_job: RunJob) -> None:
    @workflow
    def asks_in_the_end() -> bool:
        atexit.register(lambda: print("in the end:", get_active_context()))
        return get_active_context() is not None

    run = run_job(asks_in_the_end)
    assert result_of(run) is True
    assert run.stdout == "in the end: None\n"


def test_a_workflow_submits_into_its_own_directory(
    run_job: RunJob, tasks: Any, fake_slurm: FakeSlurm
) -> None:
    run = run_job(tasks.submits, 5, env=SLURM)
    job_id, job_dir = result_of(run)
    assert Path(job_dir).parent == run.directory / "tasks" / "echo"
    metadata = json.loads((Path(job_dir) / "metadata.json").read_text())
    assert job_id == metadata["job_id"] == fake_slurm.jobs[0].id
    assert metadata["parent_workflow"] == "42"
    assert "SLURM_JOB_ID" not in fake_slurm.calls[0].variables


def test_a_workflows_own_cluster_places_jobs_where_no_context_is_seen(
    run_job: RunJob, tasks: Any, fake_slurm: FakeSlurm
) -> None:
    run = run_job(tasks.submits_where_no_context_is_seen, env=SLURM)
    job_id, job_dir = result_of(run)
    assert job_id == fake_slurm.jobs[0].id
    assert Path(job_dir).parent == run.directory / "tasks" / "echo"


def test_a_workflow_that_cannot_submit_says_so_before_it_begins(
    run_job: RunJob, tasks: Any
) -> None:
    """On a compute node without Slurm's commands, say."""
    run = run_job(tasks.submits, 5, env={**SLURM, "SLURMD_NODENAME": "c7"})
    reason = "sbatch is not on the PATH of c7"
    assert run.stderr.splitlines()[0] == f"slurm-tasks: this workflow cannot submit jobs: {reason}"
    with pytest.raises(errors.SlurmError, match=rf"echo cannot be submitted .* 42: .*: {reason}"):
        result_of(run)
    assert list((run.directory / "tasks").iterdir()) == []


def test_a_workflow_that_submits_nothing_needs_no_slurm(run_job: RunJob, tasks: Any) -> None:
    assert run_job(tasks.without_context).code == 0


def test_a_plain_task_has_no_active_context(run_job: RunJob, tasks: Any) -> None:
    def submits() -> None:
        tasks.echo(1)

    with pytest.raises(errors.NoActiveContext):
        result_of(run_job(task(submits)))
