"""Jobs that outlive the client that submitted them, and are found again by another."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.conformance.sites import Gate, Site
from tests.conformance.waiting import PATIENCE, wait_until

import conformance_tasks as tasks
from slurm import Cluster, Job
from slurm.errors import ConfigError, NoActiveContext, RemoteFileMissing, RemoteTraceback

SCRIPT = Path(__file__).parent / "tasks" / "earlier_client.py"


class Left(NamedTuple):
    """What is known of a job whose client is gone."""

    id: str
    job_dir: str


class Found(NamedTuple):
    jobs: Mapping[str, Left]
    gate: Gate


@pytest.fixture(scope="module")
def found(site: Site, new_gate: Callable[[], Gate]) -> Found:
    """Jobs of a script that was killed after it had submitted them."""
    gate = new_gate()
    how = {"backend": site.backend, "arguments": site.arguments, "slurmfile": site.slurmfile}
    argv = [sys.executable, str(SCRIPT), json.dumps(how), gate.path]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == -9, done.stderr
    said = json.loads(done.stdout)
    return Found({name: Left(*ids) for name, ids in said.items()}, gate)


def test_a_job_is_found_by_its_id_and_by_its_directory(found: Found, client: Cluster) -> None:
    left = found.jobs["finished"]
    by_id, by_number = client.get_job(left.id), client.get_job(int(left.id))
    by_directory = Job.from_dir(left.job_dir, client)
    for job in (by_id, by_number, by_directory):
        wait_until(job.is_completed, "a job that is found again is watched")
        assert (job.id, job.job_dir, job.task_name) == (left.id, left.job_dir, "x_of")
        assert job.reattached
        assert job.get_result(PATIENCE) == 3
        assert job.is_successful()


def test_a_job_that_failed_meanwhile_raises_what_its_task_raised(
    found: Found, client: Cluster
) -> None:
    with pytest.raises(ValueError, match="not today") as raised:
        client.get_job(found.jobs["failed"].id).get_result(PATIENCE)
    assert isinstance(raised.value.__cause__, RemoteTraceback)
    assert "raise ValueError(reason)" in str(raised.value.__cause__)


def test_a_running_job_goes_on_and_ends_for_all_who_watch_it(
    found: Found, cluster: Cluster
) -> None:
    one = cluster.get_job(found.jobs["running"].id)
    other = Job.from_dir(found.jobs["running"].job_dir)
    following = tasks.echo(other)
    third = cluster.get_job(
        found.jobs["running"].id
    )  # of which nothing is asked but whether it is done
    assert one.get_status() in ("PENDING", "RUNNING")
    assert not other.wait(timeout=0)
    assert not third.done()
    found.gate.open()
    wait_until(third.done, "a job that is found again is watched")
    assert one.get_result(PATIENCE) == other.get_result(PATIENCE) == "waited"
    assert following.get_result(PATIENCE) == (("waited",), {})


def test_what_is_not_there_is_said_in_one_line(client: Cluster, folder: str) -> None:
    with pytest.raises(RemoteFileMissing, match="no job 99999999 was submitted under"):
        client.get_job(99999999)
    for word in ("../../etc", "train", "12_", "12_x", "_3"):
        with pytest.raises(ConfigError, match="no job id"):
            client.get_job(word)
    with pytest.raises(RemoteFileMissing):
        Job.from_dir(folder, client)
    with pytest.raises(NoActiveContext, match="cluster="):
        Job.from_dir(folder)
