"""The dashboard of a real cluster through ssh: a job that was given to sbatch by hand, its log, and its end."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.dashboards import OpenPilot, drive, press, refresh, seen, until

import cluster_tasks
from slurm import Cluster
from slurm.dash.app import Dash
from slurm.dash.cluster_source import ClusterSource
from slurm.errors import RemoteFileMissing
from slurm.job_list import ListedJob

pytestmark = pytest.mark.slurm

DAY, TIMEOUT = 86400.0, 240.0


def row(source: ClusterSource, job_id: str) -> ListedJob:
    [found] = [job for job in source.rows(elements=False).jobs if job.job_id == job_id]
    return found


@pytest.fixture
def by_hand(cluster: Cluster, workdir: str) -> Iterator[str]:
    """A job of somebody who has no SDK, which prints and then sleeps."""
    script = f"{workdir}/by hand.sh"
    cluster.backend.write_file(script, b"#!/bin/sh\necho 'by hand'\necho oh >&2\nsleep 600\n")
    streams = [f"--output={workdir}/out-%j.txt", f"--error={workdir}/err-%j.txt"]
    status, said = cluster.backend.run_program(
        ["sbatch", "--parsable", "--job-name=byhand", "--mem=50M", *streams, script],
        timeout=TIMEOUT,
    )
    assert status == 0, said
    [job_id] = re.findall(r"\d+", said.decode())
    yield job_id
    cluster.backend.cancel_job(job_id)


def test_a_job_given_to_sbatch_by_hand_is_followed_and_cancelled(
    cluster: Cluster, by_hand: str
) -> None:
    source = ClusterSource(cluster, DAY)
    app = Dash(source)

    async def steps(pilot: OpenPilot) -> None:
        await press(pilot, "slash", *f"{by_hand} byhand", "enter", "2")
        await until(pilot, lambda: "by hand" in seen(pilot.app))
        assert "byhand *" in seen(pilot.app)
        await press(pilot, "3")
        await until(pilot, lambda: " oh" in seen(pilot.app))
        await press(pilot, "c", "y")
        await until(pilot, lambda: f"cancelled {by_hand} byhand" in seen(pilot.app))
        while app.table.current is None or app.table.current.live:
            await refresh(pilot)
        assert str(app.table.current.state) == "CANCELLED"

    drive(app, steps)


def test_a_job_of_ours_has_its_log_and_can_be_submitted_again(ssh: Cluster) -> None:
    job = cluster_tasks.where()
    job.get_result(TIMEOUT)
    source = ClusterSource(ssh, DAY)
    wait_until(lambda: not row(source, job.id).live, "the scheduler knows that the job has ended")
    ended = row(source, job.id)
    assert ended.ours
    assert "where" in source.tree(ended)
    assert source.log(ended, stderr=True, place=None).text == ""
    again = ssh.get_job(source.rerun(ended))
    assert again.id != job.id
    assert again.get_result(TIMEOUT)["partition"] == "cpu"


def test_where_a_job_printed_that_slurm_has_forgotten_is_said_to_be_unknown(
    cluster: Cluster,
) -> None:
    source = ClusterSource(cluster, DAY)
    with pytest.raises(RemoteFileMissing, match="does not know any more where job 99999999"):
        source.log(ListedJob("99999999", "gone"), stderr=False, place=None)
