"""The way to the cluster: sshd killed, the login node without power, frozen, and cut off from the network."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout

import pytest

import fault_tasks
from faults.crew import crew_of
from faults.site import A_WHILE, TIMEOUT, Site

pytestmark = pytest.mark.slurm


def test_futures_outlive_the_connection(site: Site) -> None:
    crew = crew_of(site)
    site.docker.kill("login")
    crew.still_wait()
    site.open_gate()
    site.docker.start("login")
    crew.end_well(site)


def test_futures_outlive_a_login_node_that_does_not_answer(site: Site) -> None:
    crew = crew_of(site)
    site.docker.cut_network("login")
    crew.still_wait()
    site.docker.heal_network("login")
    site.docker.pause("login")
    crew.still_wait()
    site.docker.unpause("login")
    site.docker.switch_off("login")
    crew.still_wait()
    site.open_gate()
    site.docker.start("login")
    crew.end_well(site)


@pytest.mark.parametrize("fault", ["kill", "cut_network", "pause"])
def test_a_submission_meanwhile_is_made_once_when_there_is_a_way(site: Site, fault: str) -> None:
    getattr(site.docker, fault)("login")
    with ThreadPoolExecutor() as pool:
        submitting = pool.submit(fault_tasks.double.submit(site.client), 4)
        with pytest.raises(FutureTimeout):
            submitting.result(A_WHILE)
        site.docker.heal()
        job = submitting.result(TIMEOUT)
    assert job.get_result(TIMEOUT) == 8
    site.assert_submitted_once([job], 1)
