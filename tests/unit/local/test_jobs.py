"""Jobs on the local backend, as far as the conformance suite does not show the same on every backend."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.waiting import PATIENCE, wait_until
from tests.helpers.job_tasks import add, fail_without_stderr, family, read, without_context

from slurm import Cluster, as_completed
from slurm.api.local import LocalBackend
from slurm.errors import (
    DependencyFailed,
    JobCancelled,
    JobError,
    JobFailed,
    JobTimeout,
    RemoteError,
    RemoteFileError,
    ResultMissing,
    ResultNotSerializable,
    SlurmError,
)

pytestmark = pytest.mark.local


def gone(pid: int) -> bool:
    listed = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.strip() in ("", "Z")


def wait_for(path: Path) -> str:
    wait_until(lambda: path.exists() and path.read_text(), f"{path} is there")
    return path.read_text()


def test_cancel_ends_the_job_with_all_its_processes(local: Cluster, tmp_path: Path) -> None:
    job = family(str(tmp_path / "child"))
    child = int(wait_for(tmp_path / "child"))
    job.cancel()
    with pytest.raises(JobCancelled):
        job.get_result(PATIENCE)
    assert gone(child)


@pytest.mark.story
def test_a_time_limit_ends_the_job_with_all_its_processes(local: Cluster, tmp_path: Path) -> None:
    job = family.with_options(time="0:08")(str(tmp_path / "child"))
    with pytest.raises(JobTimeout, match="time="):
        job.get_result(PATIENCE)
    assert gone(int((tmp_path / "child").read_text()))


def test_workflows_do_not_take_the_place_of_the_jobs_they_wait_for(
    tmp_path: Path, lend_sdk: Callable[[Path], None]
) -> None:
    base = tmp_path / "one"
    lend_sdk(base)
    cluster = Cluster("local", job_base_dir=base, max_cpus=1)
    with cluster:
        assert without_context(1).get_result(PATIENCE) == 2
    LocalBackend(state_dir=str(base / ".local")).shutdown()
    cluster.close()


def test_a_result_that_was_removed_is_missing_not_a_traceback(local: Cluster) -> None:
    rarely: dict[str, Any] = {"poll_interval_min": 600.0, "poll_interval_max": 600.0}
    listening = Cluster("local", job_base_dir=local.job_base_dir, **rarely)
    job = add.submit(listening)(1, 2)
    assert job.wait(PATIENCE)
    (Path(job.job_dir) / "result.pkl").unlink()
    other = Cluster("local", job_base_dir=local.job_base_dir, result_grace=0.1)
    with pytest.raises(
        ResultMissing, match=r"result\.pkl .* within 0\.1 s: .* raise .* result_grace"
    ):
        other.get_job(job.id).get_result()
    other.close()
    assert job.get_result() == 3, "it came with the news of the job's end"
    listening.close()


@pytest.mark.parametrize("how", ["closed", "gone", "replaced"])
def test_a_task_without_stderr_still_says_why_it_failed(local: Cluster, how: str) -> None:
    with pytest.raises(ValueError, match="the reason"):
        fail_without_stderr(how).get_result(PATIENCE)


def test_every_error_of_a_job_is_one_kind() -> None:
    kinds = (JobFailed, JobTimeout, DependencyFailed, RemoteError, ResultMissing)
    assert all(issubclass(kind, JobError) for kind in (*kinds, ResultNotSerializable))


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
    print(one().get_result({PATIENCE}))
"""
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 1
    assert "if __name__ == '__main__':" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", [".sdk", ".receipts", ".events"])
def test_directories_that_others_can_write_to_are_refused(
    tmp_path: Path, name: str, lend_sdk: Callable[[Path], None]
) -> None:
    """What stands in them is run or believed; on a shared scratch anybody could have made them."""
    base = tmp_path / "shared"
    lend_sdk(base)
    (base / name).mkdir(exist_ok=True)
    (base / name).chmod(0o777)
    cluster = Cluster("local", job_base_dir=base)
    with pytest.raises(RemoteFileError, match="only you can write"):
        add.submit(cluster)(1, 2)
    cluster.close()
    assert not list(base.glob("add/*"))


def test_nobody_waits_for_the_jobs_of_a_cluster_that_is_closed(
    local_base: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "fifo")
    cluster = Cluster("local", job_base_dir=local_base)
    job = read.submit(cluster)(str(tmp_path / "fifo"))
    left = as_completed([job])
    threading.Timer(0.05, cluster.close).start()
    with pytest.raises(SlurmError, match="closed"):
        next(left).result()
    (tmp_path / "fifo").write_text("too late")


def test_a_dry_run_shows_the_script_and_submits_nothing(local: Cluster) -> None:
    request = local.dry_run(add.with_options(mem="2G"), 1, 2)
    assert "#SBATCH --mem=2G" in str(request)
    assert request.argv[0] == "sbatch"
    assert not Path(request.job_dir).exists()
