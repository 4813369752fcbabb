"""Nodes that die under their jobs, and nodes of which nothing is heard for a while."""

from __future__ import annotations

import pytest

import fault_tasks
from faults.crew import crew_of
from faults.site import TIMEOUT, Site, wait_until
from slurm import Job
from slurm.errors import DependencyFailed, JobNodeFailed

pytestmark = [pytest.mark.slurm, pytest.mark.matrix]


def set_state(site: Site, node: str, state: str) -> None:
    site.docker.exec(
        "slurmctld", ["scontrol", "update", f"nodename={node}", f"state={state}", "reason=a test"]
    )


@pytest.fixture
def jobs_on_c1(site: Site) -> tuple[Job[tuple[int, str]], Job[int]]:
    """One that comes back when its node fails, and one that does not."""
    set_state(site, "c2", "drain")
    comes_back = fault_tasks.attempt_of.with_options(requeue=True)(site.gate)
    does_not = fault_tasks.keep.with_options(no_requeue=True)(site.gate, 1)
    site.wait_for_runs(2)
    set_state(site, "c2", "resume")
    return comes_back, does_not


@pytest.mark.usefixtures("late_accounts")
def test_jobs_of_a_node_that_loses_power(
    site: Site, jobs_on_c1: tuple[Job[tuple[int, str]], Job[int]]
) -> None:
    comes_back, does_not = jobs_on_c1
    dependent = fault_tasks.double(does_not)
    site.docker.switch_off("c1")
    with pytest.raises(JobNodeFailed, match=r"ended as NODE_FAIL.* on c1") as raised:
        does_not.get_result(TIMEOUT)
    assert raised.value.used.nodes == "c1"
    with pytest.raises(DependencyFailed, match=f"because job {does_not.id} "):
        dependent.get_result(TIMEOUT)
    assert comes_back.get_result(TIMEOUT) == (2, "c2")
    site.assert_submitted_once([comes_back, does_not], 3)


@pytest.mark.usefixtures("late_accounts")
def test_a_job_of_a_node_that_is_set_down_says_which(site: Site) -> None:
    alone = {"nodelist": "c2", "no_requeue": True}
    job = fault_tasks.keep.with_options(**alone)(site.gate, 1)
    site.wait_for_runs(1)
    set_state(site, "c2", "down")
    with pytest.raises(JobNodeFailed, match=r"ended as NODE_FAIL.* on c2") as raised:
        job.get_result(TIMEOUT)
    assert raised.value.used.nodes == "c2"
    assert raised.value.requested["mem"] == "100M"
    site.open_gate()  # nobody else ends what runs there
    site.assert_submitted_once([job], 1)


def test_a_job_is_not_undone_by_its_first_attempt_on_a_node_that_was_cut_off(
    site: Site, jobs_on_c1: tuple[Job[tuple[int, str]], Job[int]]
) -> None:
    comes_back, does_not = jobs_on_c1
    site.docker.cut_network("c1")
    assert comes_back.get_result(TIMEOUT) == (2, "c2")
    with pytest.raises(JobNodeFailed):
        does_not.get_result(TIMEOUT)
    site.open_gate()  # and the first attempt, which nobody could end, comes to its own end
    ended = ["sh", "-c", "! pgrep --uid dev"]
    wait_until(
        lambda: site.docker.exec("c1", ended, check=False).returncode == 0, "they have ended"
    )
    site.docker.heal_network("c1")
    with site.another_client() as client:
        assert Job.from_dir(comes_back.job_dir, client).get_result(TIMEOUT) == (2, "c2")
    site.assert_submitted_once([comes_back, does_not], 2)


def test_jobs_outlive_their_node_s_daemon(site: Site) -> None:
    crew = crew_of(site)
    site.docker.kill("c1")
    crew.still_wait()
    site.docker.start("c1")
    site.docker.pause("c1")
    crew.still_wait()
    site.docker.unpause("c1")
    site.docker.kill("c1")
    site.open_gate()
    assert crew.running.get_result(TIMEOUT) == 1
    site.docker.start("c1")
    crew.end_well(site)
