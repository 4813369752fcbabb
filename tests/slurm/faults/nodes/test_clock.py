"""A node whose clock is wrong: slurmd, munge and jobs there live at another time than all others."""

from __future__ import annotations

import datetime
import json

import pytest

import fault_tasks
from faults.site import A_WHILE, TIMEOUT, Site
from slurm import JobTree
from slurm.errors import JobFailed
from slurm.testing.releases import RELEASES

pytestmark = [pytest.mark.slurm, pytest.mark.matrix]


def times_of(site: Site, path: str) -> dict[str, datetime.datetime]:
    content = json.loads(site.client.backend.read_file(path))
    names = ("timestamp", "started_at", "called_at", "completed_at")
    return {name: datetime.datetime.fromisoformat(content[name]) for name in names}


@pytest.mark.parametrize("seconds", [200, -200])
def test_jobs_of_a_node_that_is_minutes_ahead_or_behind(site: Site, seconds: int) -> None:
    site.docker.skew_clock("c1", seconds)
    pinned = fault_tasks.keep.with_options(nodelist="c1")
    first = pinned(site.gate, 1)
    items = [(site.gate, 2), (site.gate, 3)]
    even, odd = fault_tasks.refuse.with_options(nodelist="c1").map(items)
    then = fault_tasks.double.with_options(nodelist="c2")(first)
    warned = fault_tasks.warned.with_options(nodelist="c1")(site.gate)
    site.wait_for_runs(4)
    assert not first.wait(A_WHILE)
    site.open_gate()
    assert (first.get_result(TIMEOUT), then.get_result(TIMEOUT)) == (1, 2)
    assert even.get_result(TIMEOUT) == 2
    assert str(odd.exception(TIMEOUT)) == "3 is odd"
    assert warned.get_result(TIMEOUT) == 1, "by the controller's clock it had time enough"
    site.assert_submitted_once([first, then, even, odd, warned], 4)

    times = times_of(site, first.directory.metadata)
    off = (times["started_at"] - times["timestamp"]).total_seconds()
    assert abs(off - seconds) < 100, "the job lived at another time"
    assert times["started_at"] <= times["called_at"] <= times["completed_at"]
    tree = JobTree.from_dir(first.job_dir, site.client)
    assert "keep" in tree.to_text()


def test_a_node_whose_clock_nobody_believes(site: Site) -> None:
    site.docker.skew_clock("c1", 1000, wait=False)
    refused = fault_tasks.double.with_options(nodelist="c1")(4)
    elsewhere = fault_tasks.double.with_options(nodelist="c2")(5)
    assert elsewhere.get_result(TIMEOUT) == 10
    fails = RELEASES[site.docker.compose.release].fails_refused_jobs
    if fails:
        with pytest.raises(JobFailed, match="nothing was written to its directory on c1"):
            refused.get_result(TIMEOUT)
    else:
        assert not refused.wait(A_WHILE)
    site.docker.skew_clock("c1", 0)
    if not fails:
        assert refused.get_result(TIMEOUT) == 8
    site.assert_submitted_once([refused, elsewhere], 2)
