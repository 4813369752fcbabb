"""Jobs that do not end well, and what their futures say of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.conformance.sites import Site
from tests.conformance.waiting import PATIENCE

import conformance_endings as endings
import conformance_tasks as tasks
from slurm import Cluster, Job
from slurm.errors import (
    ConfigError,
    JobFailed,
    NoActiveContext,
    RemoteError,
    RemoteTraceback,
    ResultCorrupted,
    ResultNotSerializable,
)

CODES = [0, 3, "because"]
Jobs = Mapping[Any, Job[Any]]


@pytest.fixture(scope="module")
def jobs(client: Cluster) -> Jobs:
    """All at once: a job of each kind."""
    with client:
        return {
            "fails": tasks.fail("no luck", code=7),
            "fails unpicklably": endings.fail_unpicklably("locked"),
            **dict(zip(CODES, endings.leave.map(CODES, pack=len(CODES)))),
            "vanishes": endings.vanish(3),
            "kills itself": endings.kill_itself(),
            "returns a lock": endings.return_a_lock(),
            "forks": endings.fork_and_come_back(),
        }


def test_an_exception_arrives_as_itself_with_the_traceback_from_there(jobs: Jobs) -> None:
    job = jobs["fails"]
    with pytest.raises(tasks.Unlucky, match="no luck") as raised:
        job.get_result(PATIENCE)
    assert raised.value.code == 7
    assert isinstance(raised.value.__cause__, RemoteTraceback)
    assert "raise Unlucky(message, code)" in str(raised.value.__cause__)
    assert job.exception() is raised.value
    assert job.get_status() == "FAILED"
    assert job.is_completed()
    assert not job.is_successful()


def test_a_failed_job_is_told_of_in_its_files(jobs: Jobs) -> None:
    job = jobs["fails"]
    job.wait(PATIENCE)
    assert job.get_stderr().startswith("about to fail\n")
    assert "raise Unlucky(message, code)" in job.get_stderr()
    told = json.loads(job.cluster.backend.read_file(f"{job.job_dir}/metadata.json"))
    assert told["status"] == "failed"


def test_an_exception_that_cannot_be_pickled_arrives_as_text(jobs: Jobs) -> None:
    with pytest.raises(RemoteError, match=r"Unpicklable: locked") as raised:
        jobs["fails unpicklably"].get_result(PATIENCE)
    assert raised.value.type_name.endswith(".Unpicklable")
    assert "raise Unpicklable(message)" in str(raised.value.__cause__)


def test_leaving_with_zero_is_success_without_a_value(jobs: Jobs) -> None:
    assert jobs[0].get_result(PATIENCE) is None
    assert jobs[0].is_successful()


@pytest.mark.parametrize("code", CODES[1:])
def test_leaving_with_anything_else_is_an_error_that_says_so(jobs: Jobs, code: Any) -> None:
    with pytest.raises(RemoteError, match=rf"sys\.exit\({code!r}\)"):
        jobs[code].get_result(PATIENCE)


def test_a_process_that_is_gone_says_with_which_exit_code(jobs: Jobs) -> None:
    job = jobs["vanishes"]
    with pytest.raises(JobFailed, match=r"exit code 3:0") as raised:
        job.get_result(PATIENCE)
    assert (raised.value.state, raised.value.exit_code) == ("FAILED", "3:0")
    assert (raised.value.job_id, raised.value.job_dir) == (job.id, job.job_dir)
    assert raised.value.stderr == "last words"
    assert "last words" in str(raised.value)


def test_a_process_that_was_killed_says_by_which_signal(jobs: Jobs) -> None:
    with pytest.raises(JobFailed) as raised:
        jobs["kills itself"].get_result(PATIENCE)
    assert raised.value.exit_code == "0:9"


def test_a_value_that_cannot_be_pickled_is_named(jobs: Jobs) -> None:
    with pytest.raises(ResultNotSerializable, match="lock"):
        jobs["returns a lock"].get_result(PATIENCE)


def test_a_forked_child_that_comes_back_does_not_speak_for_the_job(jobs: Jobs) -> None:
    assert jobs["forks"].get_result(PATIENCE) == "parent"


def test_a_result_that_was_altered_is_not_believed(jobs: Jobs, client: Cluster, site: Site) -> None:
    job = jobs["forks"]
    assert job.get_result(PATIENCE) == "parent"
    path = f"{job.job_dir}/result.pkl"
    content = client.backend.read_file(path)
    client.backend.write_file(path, content.replace(b"value", b"walue"))
    later = site.connect()  # to which the job's news, with the result as it was, do not go
    with pytest.raises(ResultCorrupted, match=r"result\.pkl"):
        later.get_job(job.id).get_result(PATIENCE)
    later.close()


def test_options_that_sbatch_would_misread_are_refused_before(cluster: Cluster) -> None:
    for wrong in ({"partition": "x\n#SBATCH --hold"}, {"memm": "1G"}, {"time": "soon"}):
        with pytest.raises(ConfigError):
            tasks.never_submitted.with_options(**wrong)()
    assert not cluster.backend.file_exists(f"{cluster.job_base_dir}/never_submitted")


def test_outside_of_a_context_a_task_says_what_to_do(client: Cluster) -> None:
    with pytest.raises(NoActiveContext, match=r"add\.unwrapped"):
        tasks.add(1, 2)
    assert tasks.add.unwrapped(1, 2) == 3
