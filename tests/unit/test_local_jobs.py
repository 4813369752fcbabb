"""Jobs on the local backend: real processes that run the rendered script with the real runner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from slurm import Cluster, JobContext, JobState, WorkflowContext, task, workflow
from slurm.api.local import LocalBackend
from slurm.errors import (
    DependencyFailed,
    JobCancelled,
    JobError,
    JobFailed,
    JobTimeout,
    RemoteError,
    RemoteFileError,
    RemoteTraceback,
    ResultMissing,
    ResultNotSerializable,
)

TIMEOUT = 30.0


@task
def add(left: int, right: int) -> int:
    print("adding")
    return left + right


@task
def fail(message: str) -> None:
    raise KeyError(message)


@task
def leave(code: Any) -> None:
    sys.exit(code)


@task
def unpicklable() -> Any:
    return threading.Lock()


@task
def family(mark: str) -> None:
    """A child that nobody waits for, and then a long sleep."""
    child = subprocess.Popen(["sleep", "600"])
    Path(mark).write_text(str(child.pid))
    time.sleep(600)


@task
def about(job: JobContext) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "job_dir": str(job.job_dir),
        "slurm": {name: value for name, value in os.environ.items() if name.startswith("SLURM_")},
        "directory": str(Path.cwd()),
    }


@workflow
def nested(ctx: WorkflowContext, numbers: list[int]) -> dict[str, Any]:
    jobs = [add(number, 1) for number in numbers]
    (ctx.shared_dir / "note").write_text("shared")
    fire_and_forget = slow_write(str(ctx.shared_dir / "late"))
    return {
        "sums": [job.get_result() for job in jobs],
        "latest": ctx.get_latest_task_result("add"),
        "directory": str(ctx.workflow_job_dir),
        "local_mode": ctx.local_mode,
        "forgotten": fire_and_forget.id,
        "packaging": json.loads(os.environ["SLURM_SDK_PACKAGING_CONFIG"]),
    }


@workflow
def without_context(number: int) -> int:
    result: int = add(number, 1).get_result()
    return result


@task
def slow_write(path: str) -> None:
    time.sleep(0.3)
    Path(path).write_text("late")


def gone(pid: int) -> bool:
    listed = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.strip() in ("", "Z")


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + TIMEOUT
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)
    return path.read_text()


def metadata(job_dir: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((Path(job_dir) / "metadata.json").read_text())
    return content


def test_a_task_called_in_a_cluster_runs_as_a_job(local: Cluster) -> None:
    job = add(40, right=2)
    assert job.get_result(TIMEOUT) == 42
    assert job.is_completed()
    assert job.is_successful()
    assert not job.is_running()
    assert job.get_status() == JobState.COMPLETED == "COMPLETED"
    assert job.get_stdout() == "adding\n"


def test_the_job_directory_holds_what_the_contract_names(local: Cluster) -> None:
    job = add(1, 2)
    job.get_result(TIMEOUT)
    folder = Path(job.job_dir)
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert names - {"module.py"} == {
        "job.sh",
        "payload.pkl",
        "result.pkl",
        "metadata.json",
        f"slurm_{job.id}.out",
        f"slurm_{job.id}.err",
    }
    assert folder.parent.name == "add"
    assert folder.stat().st_mode & 0o777 == 0o700
    told = metadata(job.job_dir)
    assert told["job_id"] == job.id
    assert told["status"] == "completed"
    assert told["pre_submission_id"] == folder.name
    assert told["attempt"] == 1
    assert not told["is_workflow"]
    assert told["parent_workflow"] is None


def test_a_job_sees_slurms_variables_and_its_own_directory(local: Cluster) -> None:
    job = about.with_options(cpus_per_task=2, job_name="other name")()
    seen = job.get_result(TIMEOUT)
    assert seen["job_id"] == seen["slurm"]["SLURM_JOB_ID"] == job.id
    assert seen["job_dir"] == job.job_dir
    assert seen["directory"] == job.job_dir
    assert seen["slurm"]["SLURM_CPUS_PER_TASK"] == "2"
    assert seen["slurm"]["SLURM_JOB_NAME"] == "other name"


def test_an_exception_arrives_as_itself_with_the_traceback_from_there(local: Cluster) -> None:
    job = fail("nope")
    with pytest.raises(KeyError, match="nope") as raised:
        job.get_result(TIMEOUT)
    assert isinstance(raised.value.__cause__, RemoteTraceback)
    assert "raise KeyError(message)" in str(raised.value.__cause__)
    assert job.get_status() == "FAILED"
    assert metadata(job.job_dir)["status"] == "failed"


def test_leaving_with_zero_is_success_without_a_value(local: Cluster) -> None:
    assert leave(0).get_result(TIMEOUT) is None


@pytest.mark.parametrize("code", [3, "because"])
def test_leaving_with_anything_else_is_an_error_that_says_so(local: Cluster, code: Any) -> None:
    with pytest.raises(RemoteError, match=rf"sys\.exit\({code!r}\)"):
        leave(code).get_result(TIMEOUT)


def test_a_value_that_cannot_be_pickled_is_named(local: Cluster) -> None:
    with pytest.raises(ResultNotSerializable, match="lock"):
        unpicklable().get_result(TIMEOUT)


def test_futures_as_arguments_are_dependencies_at_any_depth(local: Cluster) -> None:
    first: Any = add(1, 2)
    second: Any = add(first, first)
    third = add.after(first)(second, 1)
    assert third.get_result(TIMEOUT) == 7
    assert {job.id for job in third.dependencies} == {first.id, second.id}


def test_a_job_whose_dependency_failed_never_starts_and_names_the_root(local: Cluster) -> None:
    root: Any = fail("root")
    middle: Any = add(root, 1)
    last = add(middle, 1)
    with pytest.raises(DependencyFailed, match=f"job {root.id} "):
        last.get_result(TIMEOUT)
    assert not (Path(last.job_dir) / "result.pkl").exists()


def test_cancel_ends_the_job_with_all_its_processes(local: Cluster, tmp_path: Path) -> None:
    job = family(str(tmp_path / "child"))
    child = int(wait_for(tmp_path / "child"))
    job.cancel()
    with pytest.raises(JobCancelled):
        job.get_result(TIMEOUT)
    assert gone(child)


def test_a_time_limit_ends_the_job_with_all_its_processes(local: Cluster, tmp_path: Path) -> None:
    job = family.with_options(time="0:02")(str(tmp_path / "child"))
    with pytest.raises(JobTimeout, match="time="):
        job.get_result(TIMEOUT)
    assert gone(int((tmp_path / "child").read_text()))


def test_a_wait_that_is_too_short_says_so_and_harms_nothing(local: Cluster, tmp_path: Path) -> None:
    job = slow_write(str(tmp_path / "file"))
    with pytest.raises(TimeoutError, match=rf"job {job.id} \(slow_write\)"):
        job.get_result(timeout=0.01)
    assert not job.wait(timeout=0)
    assert job.get_result(TIMEOUT) is None


def test_a_workflow_has_its_jobs_under_its_own_directory(local: Cluster) -> None:
    job = nested([1, 2, 3])
    found = job.get_result(TIMEOUT)
    assert found["sums"] == [2, 3, 4]
    assert found["latest"] in found["sums"]
    assert found["local_mode"] is True
    assert found["directory"] == job.job_dir
    assert found["packaging"]["type"] == "none"
    runs = list((Path(job.job_dir) / "tasks" / "add").iterdir())
    assert len(runs) == 3
    assert {metadata(str(run))["parent_workflow"] for run in runs} == {job.id}
    environment = json.loads((Path(job.job_dir) / ".slurm_environment.json").read_text())
    assert environment["backend_type"] == "local"


def test_a_job_outlives_the_workflow_that_started_it(local: Cluster) -> None:
    job = nested([])
    assert job.wait(TIMEOUT)
    assert wait_for(Path(job.job_dir) / "shared" / "late") == "late"


def test_a_workflow_that_takes_no_context_has_one_all_the_same(local: Cluster) -> None:
    assert without_context(1).get_result(TIMEOUT) == 2


def test_a_task_that_wants_to_submit_is_told_to_be_a_workflow(local: Cluster) -> None:
    def submits(ctx: WorkflowContext) -> None:
        raise AssertionError(ctx)

    wrong: Any = task(submits)
    with pytest.raises(TypeError, match="make it a @workflow"):
        wrong()


def test_workflows_do_not_take_the_place_of_the_jobs_they_wait_for(tmp_path: Path) -> None:
    base = tmp_path / "one"
    cluster = Cluster("local", job_base_dir=base, max_cpus=1)
    with cluster:
        assert without_context(1).get_result(TIMEOUT) == 2
    LocalBackend(state_dir=str(base / ".local")).shutdown()
    cluster.close()


def test_the_same_key_is_the_same_job(local: Cluster) -> None:
    first = add.submit(key="only once")(1, 2)
    again = add.submit(local, key="only once")(3, 4)
    assert (again.id, again.job_dir, again.reattached) == (first.id, first.job_dir, True)
    assert again.get_result(TIMEOUT) == 3
    assert add.submit(key="another")(3, 4).get_result(TIMEOUT) == 7


def test_a_later_client_reads_the_outcome_of_a_job_that_ended_long_ago(local_base: Path) -> None:
    for expected in ("submits", "finds"):
        cluster = Cluster("local", job_base_dir=local_base)
        job = add.submit(cluster, key="two clients")(1, 1)
        assert job.reattached is (expected == "finds")
        assert job.get_result(TIMEOUT) == 2
        cluster.close()


def test_futures_resolve_after_the_context_was_left(local_base: Path) -> None:
    with Cluster("local", job_base_dir=local_base) as cluster:
        job = add(1, 2)
    assert job.get_result(TIMEOUT) == 3
    cluster.close()


def test_a_result_that_was_removed_is_missing_not_a_traceback(
    local: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slurm.outcome.RESULT_GRACE", 0.1)
    job = add(1, 2)
    assert job.wait(TIMEOUT)
    (Path(job.job_dir) / "result.pkl").unlink()
    with pytest.raises(ResultMissing, match=r"result\.pkl"):
        job.get_result()


def test_a_killed_process_is_a_failure_that_shows_the_end_of_stderr(local: Cluster) -> None:
    with pytest.raises(JobFailed, match="last words") as raised:
        killed().get_result(TIMEOUT)
    assert raised.value.state == "FAILED"
    assert raised.value.exit_code == "0:9"


@task
def killed() -> None:
    print("last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), 9)


@task
def fork_and_come_back() -> str:
    child = os.fork()
    if child == 0:
        return "child"
    os.waitpid(child, 0)
    return "parent"


def test_a_forked_child_that_comes_back_does_not_speak_for_the_job(local: Cluster) -> None:
    assert fork_and_come_back().get_result(TIMEOUT) == "parent"


@task
def fail_without_stderr(how: str) -> None:
    if how == "closed":
        sys.stderr.close()
    elif how == "gone":
        os.close(2)
    else:
        setattr(sys, "stderr", object())  # noqa: B010 - a checker would not allow it
    raise ValueError("the reason")


@pytest.mark.parametrize("how", ["closed", "gone", "replaced"])
def test_a_task_without_stderr_still_says_why_it_failed(local: Cluster, how: str) -> None:
    with pytest.raises(ValueError, match="the reason"):
        fail_without_stderr(how).get_result(TIMEOUT)


def test_every_error_of_a_job_is_one_kind() -> None:
    kinds = (JobFailed, JobTimeout, DependencyFailed, RemoteError, ResultMissing)
    assert all(issubclass(kind, JobError) for kind in (*kinds, ResultNotSerializable))


def test_a_script_brings_itself_along(tmp_path: Path, local_base: Path) -> None:
    script = tmp_path / "a script.py"
    script.write_text(
        f"""
import dataclasses
from slurm import Cluster, task

@dataclasses.dataclass(frozen=True)
class Point:
    x: int

@task
def move(point, by=1):
    return Point(point.x + by)

if __name__ == "__main__":
    with Cluster("local", job_base_dir={str(local_base)!r}):
        found = move(move(Point(1)), by=2).get_result({TIMEOUT})
        assert isinstance(found, Point), type(found)
        print(found)
"""
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=TIMEOUT
    )
    assert done.stdout == "Point(x=4)\n", done.stderr


def test_a_script_that_submits_while_it_is_loaded_is_told_what_to_write(
    tmp_path: Path, local_base: Path
) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        f"""
from slurm import Cluster, task

@task
def one():
    return 1

with Cluster("local", job_base_dir={str(local_base)!r}):
    print(one().get_result({TIMEOUT}))
"""
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=TIMEOUT
    )
    assert done.returncode == 1
    assert "if __name__ == '__main__':" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", [".sdk", ".receipts", ".events"])
def test_directories_that_others_can_write_to_are_refused(tmp_path: Path, name: str) -> None:
    """What stands in them is run or believed; on a shared scratch anybody could have made them."""
    base = tmp_path / "shared"
    (base / name).mkdir(parents=True)
    (base / name).chmod(0o777)
    cluster = Cluster("local", job_base_dir=base)
    with pytest.raises(RemoteFileError, match="only you can write"):
        add.submit(cluster)(1, 2)
    cluster.close()
    assert not list(base.glob("add/*"))


def test_a_dry_run_shows_the_script_and_submits_nothing(local: Cluster) -> None:
    request = local.dry_run(add.with_options(mem="2G"), 1, 2)
    assert "#SBATCH --mem=2G" in str(request)
    assert request.argv[0] == "sbatch"
    assert not Path(request.job_dir).exists()
