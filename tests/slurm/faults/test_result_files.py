"""Files that are not there any more, or not whole, when somebody wants them."""

from __future__ import annotations

import pytest

import fault_tasks
from faults.site import TIMEOUT, Site
from slurm import Job
from slurm.errors import ResultCorrupted, ResultMissing

pytestmark = pytest.mark.slurm


def test_results_that_were_removed_and_cut_short(site: Site) -> None:
    good, removed, cut = (fault_tasks.double(number) for number in (1, 2, 3))
    for job in (good, removed, cut):
        assert job.wait(TIMEOUT)
    site.shell("rm", removed.directory.result)
    site.shell("truncate", "--size=-1", cut.directory.result)
    of_removed, of_cut = fault_tasks.double(removed), fault_tasks.double(cut)
    with site.another_client() as client:
        again = {job: Job.from_dir(job.job_dir, client) for job in (good, removed, cut)}
        assert again[good].get_result(TIMEOUT) == 2
        with pytest.raises(ResultCorrupted) as corrupted:
            again[cut].get_result(TIMEOUT)
        with pytest.raises(ResultMissing) as missing:
            again[removed].get_result(TIMEOUT)
    print(missing.value, corrupted.value)
    for job in (of_removed, of_cut):
        print(repr(job.exception(TIMEOUT)))
