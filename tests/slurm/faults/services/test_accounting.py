"""slurmdbd is away for a while: the controller's word is enough, and after that the job's own."""

from __future__ import annotations

import pytest

import fault_tasks
from faults.crew import crew_of
from faults.site import A_WHILE, TIMEOUT, Site, wait_until
from slurm import Job
from slurm.errors import ResultMissing

pytestmark = [pytest.mark.slurm, pytest.mark.matrix]


def test_jobs_outlive_accounts_that_are_killed_or_deaf(site: Site) -> None:
    crew = crew_of(site)
    site.docker.kill("slurmdbd")
    crew.still_wait()
    site.docker.start("slurmdbd")
    site.docker.cut_network("slurmdbd")
    crew.still_wait()
    site.docker.heal_network("slurmdbd")
    site.docker.pause("slurmdbd")
    site.open_gate()
    assert crew.running.get_result(TIMEOUT) == 1, "the controller is there"
    site.docker.unpause("slurmdbd")
    crew.end_well(site)


def test_jobs_are_submitted_and_end_while_there_are_no_accounts(site: Site) -> None:
    site.docker.kill("slurmdbd")
    first = fault_tasks.double(1)
    second = fault_tasks.double(first)
    failing = fault_tasks.refuse(site.gate, 3)
    assert second.get_result(TIMEOUT) == 4
    site.open_gate()
    assert str(failing.exception(TIMEOUT)) == "3 is odd"
    site.docker.start("slurmdbd")
    site.assert_submitted_once([first, second, failing], 3)


def test_the_result_decides_of_a_job_that_nobody_remembers(site: Site) -> None:
    """And of one without a result nothing is said before the accounts are there again."""
    good, bad = fault_tasks.double(21), fault_tasks.refuse(site.gate, 3)
    without = fault_tasks.double(5)
    site.open_gate()
    for job in (good, bad, without):
        assert job.wait(TIMEOUT)
    site.shell("rm", without.directory.result)
    said = 's/"status": "completed"/"status": "running"/'  # as when its node had lost power
    site.shell("sed", "-i", said, without.directory.metadata)
    everything = ("squeue", "-h", "-t", "all")
    wait_until(lambda: not site.shell(*everything), "the controller has forgotten them")
    site.docker.kill("slurmdbd")
    with site.another_client() as client:
        again = Job.from_dir(without.job_dir, client)
        assert Job.from_dir(good.job_dir, client).get_result(TIMEOUT) == 42
        assert str(Job.from_dir(bad.job_dir, client).exception(TIMEOUT)) == "3 is odd"
        assert not again.wait(A_WHILE)
        site.docker.start("slurmdbd")
        with pytest.raises(ResultMissing):
            again.get_result(TIMEOUT)
    site.assert_submitted_once([good, bad, without], 3)
