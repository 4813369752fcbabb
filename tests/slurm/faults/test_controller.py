"""slurmctld is away for a while: jobs go on, waiting goes on, and nobody guesses."""

from __future__ import annotations

import pytest

import fault_tasks
from faults.crew import crew_of
from faults.site import TIMEOUT, Site
from slurm.errors import SubmissionUnknown

pytestmark = pytest.mark.slurm


def test_jobs_outlive_a_controller_that_is_killed(site: Site) -> None:
    crew = crew_of(site)
    site.docker.kill("slurmctld")
    crew.still_wait()
    site.open_gate()
    assert crew.running.wait(TIMEOUT), "a job that ends says so itself"
    site.docker.start("slurmctld")
    crew.end_well(site)


def test_jobs_wait_for_a_controller_that_is_deaf(site: Site) -> None:
    crew = crew_of(site)
    site.docker.pause("slurmctld")
    crew.still_wait()
    site.docker.unpause("slurmctld")
    site.docker.cut_network("slurmctld")
    crew.still_wait()
    site.open_gate()
    site.docker.heal_network("slurmctld")
    crew.end_well(site)


def test_a_submission_without_a_controller_is_made_once_when_it_is_back(site: Site) -> None:
    site.docker.kill("slurmctld")
    with pytest.raises(SubmissionUnknown, match="Unable to contact slurm controller"):
        fault_tasks.double.submit(key=site.folder)(4)
    site.docker.start("slurmctld")
    job = fault_tasks.double.submit(key=site.folder)(4)
    assert job.get_result(TIMEOUT) == 8
    assert fault_tasks.double.submit(key=site.folder)(4).id == job.id
    site.assert_submitted_once([job], 1)
