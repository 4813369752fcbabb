"""The metadata files by themselves tell what became of jobs, also of those that could not write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from tests.conformance.sites import Gate
from tests.conformance.waiting import PATIENCE

import conformance_endings as endings
import conformance_tasks as tasks
from slurm import ArrayJob, Cluster, Job, JobNode, JobTree
from slurm.api import ssh


class Ended(NamedTuple):
    """Jobs that ended in ways they could not speak of, and one that did speak."""

    vanished: Job[Any]
    dependent: Job[Any]
    failed: Job[Any]
    array: ArrayJob[Any]


@pytest.fixture(scope="module")
def noted_for_sure() -> Iterator[None]:
    """A client notes ends where that takes no time; here it may, on a busy cluster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssh, "COURTESY_TIMEOUT", PATIENCE)
        yield


@pytest.fixture(scope="module")
def jobs(client: Cluster, new_gate: Callable[[], Gate], noted_for_sure: None) -> Ended:
    gate = new_gate()
    with client:
        vanished, failed = endings.vanish(3), tasks.fail("no data")
        array = tasks.double.after(tasks.wait_for(gate.path)).map(range(4)).submit()
        made = Ended(vanished, tasks.echo(vanished), failed, array)
    array.cancel()
    assert all(one.wait(PATIENCE) for one in made)
    gate.open()
    client.operations.tracker.notes.write()  # what the tracker has not come to yet
    return made


def node_of(job: Job[Any] | ArrayJob[Any], client: Cluster) -> JobNode:
    [node] = JobTree.from_dir(job.job_dir, client).nodes
    return node


def test_a_job_that_vanished_is_noted_with_the_time(jobs: Ended, client: Cluster) -> None:
    node = node_of(jobs.vanished, client)
    assert (node.job_id, node.task_name, node.state) == (jobs.vanished.id, "vanish", "FAILED")
    assert node.started is not None
    assert node.ended is not None
    assert node.ended > node.started


def test_a_job_that_never_started_is_noted(jobs: Ended, client: Cluster) -> None:
    node = node_of(jobs.dependent, client)
    assert (node.state, node.started) == ("CANCELLED", None)
    assert [(wait.job_id, wait.type) for wait in node.waits_for] == [(jobs.vanished.id, "afterok")]


def test_a_job_that_raised_says_what(jobs: Ended, client: Cluster) -> None:
    assert node_of(jobs.failed, client).error.endswith("Unlucky: ('no data', 0)")


def test_elements_that_never_started_are_noted(jobs: Ended, client: Cluster) -> None:
    node = node_of(jobs.array, client)
    assert dict(node.states()) == {"CANCELLED": 4}
    assert [child.job_id for child in node.children] == [job.id for job in jobs.array]


def test_all_runs_of_a_task_are_a_tree(jobs: Ended, client: Cluster) -> None:
    folder = jobs.vanished.job_dir.rpartition("/")[0]
    tree = JobTree.from_dir(folder, client)
    assert jobs.vanished.id in {node.job_id for node in tree.nodes}
    assert tree.path == folder
