"""What jobs have left is removed when no job needs it."""

from __future__ import annotations

import secrets

import pytest
from tests.conformance.sites import Gate
from tests.conformance.waiting import PATIENCE, wait_until

import conformance_tasks as tasks
from slurm import Cluster, Job
from slurm.errors import RemoteFileMissing


def make_old(cluster: Cluster, job: Job[int]) -> None:
    """Have nothing been done to a job for two days, once nobody is at it any more."""
    wait_until(
        lambda: job.id not in [row["job_id"] for row in cluster.get_queue()],
        "a job that has ended leaves the queue",
    )
    argv = ["find", str(job.job_dir), "-exec", "touch", "-d", "2 days ago", "{}", "+"]
    assert cluster.backend.run_program(argv, timeout=60)[0] == 0


def test_what_an_old_job_has_left_goes_unless_a_job_waits_for_it_that_has_not_ended(
    cluster: Cluster, gate: Gate
) -> None:
    key = secrets.token_hex(8)
    old: Job[int] = tasks.double.submit(key=key)(21)
    young = tasks.double(1)
    assert (old.get_result(PATIENCE), young.get_result(PATIENCE)) == (42, 2)
    waiting = tasks.wait_for.after(old)(gate.path)
    gate.wait_until_started()
    make_old(cluster, old)
    kept = cluster.clean_up("1d", dry_run=False)
    assert (kept.jobs.removed, kept.jobs.needed) == (0, 1)
    gate.open()
    waiting.get_result(PATIENCE)
    make_old(cluster, waiting)
    would = cluster.clean_up("1d")
    assert (would.jobs.removed, would.receipts.removed) == (2, 4)
    assert old.get_result() == 42
    done = cluster.clean_up("1d", dry_run=False)
    assert (done.jobs, done.receipts) == (would.jobs, would.receipts)
    assert done.jobs.recent >= 1
    for job in (old, waiting):
        assert not cluster.backend.file_exists(str(job.job_dir))
        with pytest.raises(RemoteFileMissing, match=f"no job {job.id} was submitted under"):
            cluster.get_job(job.id)
    assert cluster.get_job(young.id).get_result(PATIENCE) == 2
    again = tasks.double.submit(key=key)(4)
    assert (again.reattached, again.get_result(PATIENCE)) == (False, 8)
