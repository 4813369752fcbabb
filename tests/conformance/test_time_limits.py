"""Jobs that run into their time limit. Slurm's shortest is a minute, which these tests take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.conformance.sites import Gate

import conformance_requeues as requeues
import conformance_tasks as tasks
from slurm import Cluster, Job
from slurm.errors import JobTimeout

PATIENCE = 400.0


@pytest.fixture(scope="module")
def limited(client: Cluster, new_gate: Callable[[], Gate]) -> Job[Any]:
    return client.submit(tasks.wait_for, time="0:01")(new_gate().path)


@pytest.fixture(scope="module")
def warned(client: Cluster, limited: Job[Any]) -> Job[Any]:
    """Runs beside the other."""
    return client.submit(requeues.ignores_its_warning_once, time="0:10")()


@pytest.mark.story
@pytest.mark.matrix
def test_a_job_that_ignores_its_warning_is_requeued_before_its_limit(warned: Job[Any]) -> None:
    assert warned.get_result(PATIENCE) == ["told False", "told True"]
    assert "goes back into the queue" in warned.get_stderr()


@pytest.mark.usefixtures("late_accounts")
def test_a_job_over_its_time_limit_says_what_to_change(limited: Job[Any]) -> None:
    with pytest.raises(JobTimeout, match=r"asked for time=0:01, .* the option time=") as raised:
        limited.get_result(PATIENCE)
    assert raised.value.used.elapsed is not None
    assert raised.value.used.elapsed >= 1
    assert raised.value.used.nodes
    assert raised.value.state == limited.get_status() == "TIMEOUT"
    assert limited.is_completed()
    assert not limited.is_successful()
