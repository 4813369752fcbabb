"""What a cluster answers to a dashboard. The scheduler is this machine's own, and the jobs are real."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.dashboards import OpenPilot, drive, press, refresh, seen, until
from tests.helpers.job_tasks import describe, read, without_context

from slurm import ArrayJob, Cluster, Job
from slurm.dash.app import Dash
from slurm.dash.cluster_source import LEAST, ClusterSource
from slurm.errors import JobError
from slurm.job_list import ListedJob
from slurm.states import JobState

DAY = 86400.0


@pytest.fixture(scope="module")
def client(local_base: Path) -> Iterator[Cluster]:
    cluster = Cluster("local", job_base_dir=local_base, max_cpus=4)
    yield cluster
    cluster.close()


@pytest.fixture
def source(client: Cluster) -> ClusterSource:
    return ClusterSource(client, DAY)


@pytest.fixture(scope="module")
def array(client: Cluster) -> ArrayJob[Any]:
    """Of three elements one failed."""
    array = client.map(describe, [4, 13, 6])
    array.wait()
    return array


@pytest.fixture
def held(client: Cluster, tmp_path: Path) -> Iterator[Job[str]]:
    """A job that runs until somebody writes to a pipe, or cancels it."""
    os.mkfifo(tmp_path / "fifo")
    with client:
        job = read(str(tmp_path / "fifo"))
    yield job
    job.cancel()


def row(source: ClusterSource, job_id: str, *, elements: bool = False) -> ListedJob:
    [found] = [job for job in source.rows(elements=elements).jobs if job.job_id == job_id]
    return found


def ended(source: ClusterSource, array_id: str) -> ListedJob:
    """The row of an array, once the scheduler has heard of its end as well."""

    def over() -> list[ListedJob]:
        jobs = source.rows(elements=False).jobs
        return [job for job in jobs if job.number == array_id and not job.live]

    wait_until(over, f"array {array_id} has ended")
    return over()[0]


def test_it_is_asked_no_more_often_than_a_person_reads(source: ClusterSource) -> None:
    assert min(source.pauses) >= LEAST
    assert source.name.startswith("local ")


def test_an_array_is_one_row_and_its_elements_have_logs_and_errors(
    source: ClusterSource, array: ArrayJob[Any]
) -> None:
    whole = ended(source, array.id)
    assert whole.job_id == f"{array.id}_[0-2]"
    assert whole.states == {JobState.COMPLETED: 2, JobState.FAILED: 1}
    assert source.error(whole) == ""
    with pytest.raises(JobError, match="press e to see the elements"):
        source.log(whole, stderr=False, place=None)
    bad = row(source, f"{array.id}_1", elements=True)
    assert "unlucky" in source.error(bad)
    part = source.log(bad, stderr=False, place=None)
    assert "item 13\n" in part.text
    assert source.log(bad, stderr=False, place=part.place).text == ""
    assert "describe" in source.tree(bad)


def test_what_failed_of_an_array_is_submitted_again_and_so_is_an_element_that_did_not(
    source: ClusterSource, client: Cluster, array: ArrayJob[Any]
) -> None:
    again = client.get_array(source.rerun(ended(source, array.id)))
    again.wait()
    assert len(again) == 1
    with pytest.raises(ValueError, match="unlucky"):
        again.get_results()
    one = client.get_array(source.rerun(row(source, f"{array.id}_2", elements=True)))
    assert [number for number, *_ in one.get_results()] == [36]
    with pytest.raises(JobError, match=r"all elements of array .* ended well"):
        source.rerun(ended(source, one.id))


def test_a_job_of_a_workflow_is_shown_in_the_tree_of_that(
    source: ClusterSource, client: Cluster
) -> None:
    with client:
        job = without_context(1)
    assert job.get_result() == 2
    [child] = [one for one in source.rows(elements=False).jobs if one.workflow == job.id]
    assert source.tree(child) == source.tree(row(source, job.id))
    assert "without_context" in source.tree(child)


def test_a_dashboard_of_real_jobs_cancels_one(source: ClusterSource, held: Job[str]) -> None:
    app = Dash(source)

    async def steps(pilot: OpenPilot) -> None:
        await press(pilot, "slash", *f"{held.id} read", "enter")
        await until(pilot, lambda: app.table.current is not None)
        while "RUNNING" not in seen(pilot.app):
            await refresh(pilot)
        await press(pilot, "c", "y")
        await until(pilot, lambda: f"cancelled {held.id} read" in seen(pilot.app))
        while app.table.current is None or app.table.current.live:
            await refresh(pilot)
        await until(pilot, lambda: "CANCELLED" in seen(pilot.app))

    drive(app, steps)
    with pytest.raises(JobError, match="ended meanwhile"):
        source.cancel([row(source, held.id)])
