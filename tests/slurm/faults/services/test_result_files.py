"""Result files that are gone, or not whole, when somebody wants them: a client, or the next job."""

from __future__ import annotations

import pytest

import fault_tasks
from faults.site import TIMEOUT, Site
from slurm import Job
from slurm.errors import ResultCorrupted, ResultMissing

pytestmark = pytest.mark.slurm


def test_results_that_were_removed_or_cut_short(site: Site) -> None:
    good, removed, cut = (fault_tasks.double(number) for number in (1, 2, 3))
    for job in (good, removed, cut):
        assert job.wait(TIMEOUT)
    site.shell("rm", removed.directory.result)
    site.shell("truncate", "--size=-1", cut.directory.result)
    after_removed, after_cut = fault_tasks.double(removed), fault_tasks.double(cut)
    with site.another_client() as client:
        again = {job: Job.from_dir(job.job_dir, client) for job in (good, removed, cut)}
        assert again[good].get_result(TIMEOUT) == 2
        with pytest.raises(ResultCorrupted, match=f"{cut.directory.result} is truncated"):
            again[cut].get_result(TIMEOUT)
        missing = rf"job {removed.id} \(double\) is COMPLETED but {removed.directory.result}"
        with pytest.raises(ResultMissing, match=missing):
            again[removed].get_result(TIMEOUT)
    with pytest.raises(ResultMissing, match=f"an argument is the result of job {removed.id}, and "):
        after_removed.get_result(TIMEOUT)
    with pytest.raises(ResultCorrupted, match=f"{cut.directory.result} is truncated"):
        after_cut.get_result(TIMEOUT)
    site.assert_submitted_once([good, removed, cut], 5)


def test_a_result_that_was_altered(site: Site) -> None:
    job = fault_tasks.double(1)
    assert job.wait(TIMEOUT)
    site.shell("sh", "-c", 'printf X | dd of="$0" bs=1 seek=20 conv=notrunc', job.directory.result)
    with (
        site.another_client() as client,
        pytest.raises(ResultCorrupted, match="was altered: its checksum does not match"),
    ):
        Job.from_dir(job.job_dir, client).get_result(TIMEOUT)
    site.assert_submitted_once([job], 1)
