"""A node whose clock is wrong."""

from __future__ import annotations

import datetime
import json

import pytest

import fault_tasks
from faults.site import A_WHILE, TIMEOUT, Site

pytestmark = pytest.mark.slurm


def metadata(site: Site, path: str) -> dict[str, str]:
    content: dict[str, str] = json.loads(site.client.backend.read_file(path))
    return content


def test_a_node_that_is_minutes_ahead_or_behind(site: Site) -> None:
    for seconds in (200, -200):
        site.docker.skew_clock("c1", seconds)
        here = datetime.datetime.now(datetime.timezone.utc)
        job = fault_tasks.attempt_of.with_options(nodelist="c1")(site.gate)
        site.open_gate()
        assert job.get_result(TIMEOUT) == (1, "c1")
        print(metadata(site, job.directory.metadata), here)


def test_a_node_that_is_so_far_off_that_nobody_believes_it(site: Site) -> None:
    site.docker.skew_clock("c1", 1000, wait=False)
    job = fault_tasks.double.with_options(nodelist="c1")(4)
    elsewhere = fault_tasks.double.with_options(nodelist="c2")(5)
    assert elsewhere.get_result(TIMEOUT) == 10
    assert not job.wait(A_WHILE)
    print(job.status, site.shell("scontrol", "show", "job", job.id))
    site.docker.skew_clock("c1", 0)
    assert job.get_result(TIMEOUT) == 8
    site.assert_submitted_once([job, elsewhere], 2)
