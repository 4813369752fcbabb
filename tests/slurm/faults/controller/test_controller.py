"""slurmctld is away for a while: jobs go on, waiting goes on, and nobody guesses."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest

import fault_tasks
from faults.crew import crew_of
from faults.site import TIMEOUT, Site, wait_until
from slurm import Job
from slurm.errors import SchedulerUnreachable, SubmissionUnknown

pytestmark = [pytest.mark.slurm, pytest.mark.matrix]


def test_without_a_controller_jobs_go_on_and_nothing_is_submitted(site: Site) -> None:
    """There was no connection on which sbatch could have asked: that is certain, and the key stays free."""
    crew = crew_of(site)
    site.docker.kill("slurmctld")
    with ThreadPoolExecutor() as pool:
        submitting = pool.submit(fault_tasks.double.submit(site.client, key=site.folder), 4)
        crew.still_wait()
        site.open_gate()
        assert crew.running.wait(TIMEOUT), "a job that ends says so itself"
        with pytest.raises(SchedulerUnreachable, match="Unable to contact slurm controller"):
            submitting.result(TIMEOUT)
    site.docker.start("slurmctld")
    job = fault_tasks.double.submit(key=site.folder)(4)
    assert job.get_result(TIMEOUT) == 8
    assert fault_tasks.double.submit(key=site.folder)(4).id == job.id
    crew.end_well(site, job)


def test_a_submission_while_the_controller_restarts_is_made_once(site: Site) -> None:
    site.docker.kill("slurmctld")
    with ThreadPoolExecutor() as pool:
        submitting = pool.submit(fault_tasks.double.submit(site.client, key=site.folder), 4)
        site.docker.start("slurmctld")
        job = submitting.result(TIMEOUT)
    assert job.get_result(TIMEOUT) == 8
    assert fault_tasks.double.submit(key=site.folder)(4).id == job.id
    site.assert_submitted_once([job], 1)


def test_a_controller_that_hangs_takes_the_job_when_it_goes_on_and_only_once(site: Site) -> None:
    """sbatch has given up long before, and the key has been asked for again meanwhile."""
    crew = crew_of(site)
    site.docker.pause("slurmctld")
    for _ in range(2):
        with pytest.raises(SubmissionUnknown, match=r"Later, the same key or Job\.from_dir"):
            fault_tasks.double.submit(key=site.folder)(4)
    crew.still_wait()
    site.docker.unpause("slurmctld")
    job = known_at_last(site)
    assert job.get_result(TIMEOUT) == 8
    assert fault_tasks.double.submit(key=site.folder)(4).id == job.id
    site.open_gate()
    crew.end_well(site, job)


def test_jobs_outlive_a_controller_that_was_cut_off(site: Site) -> None:
    crew = crew_of(site)
    site.docker.cut_network("slurmctld")
    crew.still_wait()
    site.open_gate()
    site.docker.heal_network("slurmctld")
    crew.end_well(site)


def known_at_last(site: Site) -> Job[int]:
    """The job of the site's key, which nobody may know of for a moment yet."""
    found: list[Job[int]] = []

    def known() -> bool:
        with contextlib.suppress(SubmissionUnknown):
            found.append(fault_tasks.double.submit(site.client, key=site.folder)(4))
        return bool(found)

    wait_until(known, "the job is known")
    return found[0]
