"""What only a scheduler of several machines can give; `limits` says what one machine cannot."""

from __future__ import annotations

import pytest
from tests.conformance.waiting import PATIENCE

import conformance_tasks as tasks
from slurm import Cluster
from slurm.errors import JobCancelled, JobOutOfMemory, SubmissionRefused


def test_a_job_may_be_held(client: Cluster) -> None:
    job = tasks.double.with_options(hold=True).submit(client)(1)
    assert job.get_status() == "PENDING"
    job.cancel()
    assert isinstance(job.exception(PATIENCE), JobCancelled)


def test_a_job_has_as_many_nodes_as_it_asks_for(client: Cluster) -> None:
    job = tasks.describe.with_options(nodes=2).submit(client)([])
    said = job.get_result(PATIENCE)
    assert (said["context"].num_nodes, len(set(said["hosts"]))) == (2, 2)


def test_a_partition_that_does_not_exist_is_refused(client: Cluster) -> None:
    with pytest.raises(SubmissionRefused, match="artition"):
        tasks.double.submit(client, partition="nowhere")(1)


@pytest.mark.usefixtures("late_accounts")
def test_a_job_that_takes_more_memory_than_it_asked_for_is_killed(client: Cluster) -> None:
    greedy = tasks.take_memory.with_options(mem="64M", acctg_freq="task=1")
    error = greedy.submit(client)(300).exception(PATIENCE)
    assert isinstance(error, JobOutOfMemory)
    assert "ask for more with the option mem=" in str(error)


def test_a_job_may_leave_every_default_to_the_scheduler(client: Cluster) -> None:
    bare = tasks.describe.with_options(mem=None, time=None, nodes=None, ntasks=None)
    context = bare.submit(client)([]).get_result(PATIENCE)["context"]
    assert (context.num_nodes, context.ntasks, context.srun_args()) == (1, 1, [])
