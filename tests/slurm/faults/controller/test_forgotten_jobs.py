"""slurmctld is killed before it has saved its latest jobs: it knows them no more, and gives their ids away."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

import fault_tasks
from faults.crew import crew_of
from faults.site import A_WHILE, TIMEOUT, Site, wait_until
from slurm import Job, states
from slurm.errors import DependencyFailed, JobLost

pytestmark = [pytest.mark.slurm, pytest.mark.matrix]

SOON = 3 * A_WHILE  # in the place of the minutes after which a job is lost
STATE = "/var/lib/slurm/slurmctld"
# The folders for the scripts of jobs are made, and nothing else can be any more, until slurmctld is started again.
SAVE_NO_MORE = (
    'cd "$0" && install -d -o slurm -g slurm -m 0700 hash.0 hash.1 hash.2 hash.3 hash.4 hash.5 hash.6 \
    hash.7 hash.8 hash.9 && chmod 0500 .'
)


def test_jobs_that_the_controller_forgot_are_lost_and_no_others_taken_for_them(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose id a later job gets, and one that accounts have as RUNNING from now on."""
    crew = crew_of(site)
    given_away, runaway = forgotten(site)
    later = fault_tasks.keep.with_options(hold=True)(site.gate, 3)
    assert later.id == given_away.id
    assert site.client.get_job(later.id).job_dir == later.job_dir != given_away.job_dir

    wait_until(lambda: given_away.status.reused, "the client knows whose the id is")
    given_away.cancel()
    assert (given_away.get_status(), later.get_status()) == ("RUNNING", "PENDING")
    assert not given_away.wait(A_WHILE)
    monkeypatch.setattr(states, "LOST_AFTER", SOON)

    assert "given its id to another job" in lost(given_away)
    assert "sacctmgr show runawayjobs" in lost(runaway)
    crew.still_wait()
    assert not later.done()
    wait_until(lambda: not processes_of(site, given_away, runaway), "the nodes have ended them")
    site.shell("scontrol", "release", later.id)
    site.open_gate()
    assert later.get_result(TIMEOUT) == 3
    with site.another_client() as client:
        assert client.get_job(later.id).get_result(TIMEOUT) == 3
        again = Job.from_dir(given_away.job_dir, client)
        again.cancel()  # it has ended: its id would be another's
        assert isinstance(again.exception(TIMEOUT), JobLost)
    crew.end_well(site, given_away, runaway, later)


def test_what_depends_on_an_ended_job_whose_id_is_anothers_waits_for_nobody(site: Site) -> None:
    """As when ids begin again at MaxJobId: the one that has it now is held, for ever."""
    with saving_no_more(site):
        good, bad = fault_tasks.double(21), fault_tasks.refuse(site.gate, 3)
        site.open_gate()
        assert good.wait(TIMEOUT)
        assert bad.wait(TIMEOUT)
    strangers = [fault_tasks.keep.with_options(hold=True)(site.gate, 3) for _ in range(2)]
    assert [job.id for job in strangers] == [good.id, bad.id]
    with site.another_client() as client:
        again, failed = (Job.from_dir(job.job_dir, client) for job in (good, bad))
        assert again.is_completed()
        after = [client.submit(fault_tasks.double)(again), fault_tasks.double(good)]
        assert [job.get_result(TIMEOUT) for job in after] == [84, 84]
        with pytest.raises(DependencyFailed, match=f"job {bad.id} ended as FAILED"):
            client.submit(fault_tasks.double)(failed)
    assert [job.get_status() for job in strangers] == ["PENDING", "PENDING"]
    for job in strangers:
        job.cancel()


def forgotten(site: Site) -> tuple[Job[int], Job[int]]:
    """Two jobs that ran, and that the controller does not know any more; it is there again.

    It is killed before it saves them, however slow this machine is: it cannot save.
    """
    with saving_no_more(site):
        jobs = two_running(site)
    known = site.shell("squeue", "-h", "-o", "%k")
    assert not any(job.records[0].token in known for job in jobs)
    return jobs


@contextlib.contextmanager
def saving_no_more(site: Site) -> Iterator[None]:
    """A controller that saves nothing from here on, is killed at the end, and started again."""
    site.docker.exec("slurmctld", ["sh", "-c", SAVE_NO_MORE, STATE])
    try:
        yield
    finally:
        site.docker.kill("slurmctld")
        site.docker.start("slurmctld")


def two_running(site: Site) -> tuple[Job[int], Job[int]]:
    with site.client.batch():
        jobs = fault_tasks.keep(site.gate, 1), fault_tasks.keep(site.gate, 1)
    wait_until(lambda: recorded(site, *jobs) == 2, "accounts have them as RUNNING")
    wait_until(
        lambda: all(job.get_status() == "RUNNING" for job in jobs), "the client has heard that"
    )
    return jobs


def recorded(site: Site, *jobs: Job[int]) -> int:
    ids = ",".join(job.id for job in jobs)
    return site.shell("sacct", "-n", "-X", "-j", ids, "-o", "State").split().count("RUNNING")


def lost(job: Job[int]) -> str:
    """What the error of a lost job says."""
    error = job.exception(TIMEOUT)
    assert isinstance(error, JobLost)
    assert (error.state, error.job_dir) == ("UNKNOWN", job.job_dir)
    return str(error)


def processes_of(site: Site, *jobs: Job[int]) -> str:
    """The processes of jobs on the nodes, by their directories."""
    pattern = "|".join(job.job_dir for job in jobs)
    argv = ["pgrep", "-f", "--", pattern]
    return "".join(site.docker.exec(node, argv, check=False).stdout for node in ("c1", "c2"))
