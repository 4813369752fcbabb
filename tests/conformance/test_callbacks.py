"""Callbacks: who is told what happens to jobs, here and in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

import pytest
from tests.conformance.sites import Site
from tests.conformance.waiting import PATIENCE

from conformance_callbacks import Clumsy, Diary, halve
from slurm import ArrayJob, Job


class Told(NamedTuple):
    diary: Diary
    single: Job[int]
    array: ArrayJob[int]


@pytest.fixture(scope="module")
def told(site: Site) -> Iterator[Told]:
    """A job and an array that have ended, and the diary that was kept of them."""
    diary = Diary()
    with closing(site.connect(callbacks=[Clumsy(), diary])) as client:
        with client:
            single, array = halve(4), halve.map([6, 7])
        assert single.wait(PATIENCE)
        assert array.wait(PATIENCE)
        assert client.drain_callbacks(PATIENCE)
        yield Told(diary, single, array)


def test_the_client_is_told_of_every_step_in_order(told: Told) -> None:
    steps = [what for what, _ in told.diary.entries]
    assert steps[:4] == ["packaging", "packaged", "submitting", "submitted"]
    of_job = [what for what, job_id in told.diary.entries if job_id == told.single.id]
    assert of_job[0] == "submitted"
    assert of_job[-2:] == ["is COMPLETED", "completed"]


def test_the_end_of_every_job_is_told_once_with_its_error(told: Told) -> None:
    jobs = [told.single, *told.array]
    completed = [job_id for what, job_id in told.diary.entries if what == "completed"]
    assert sorted(completed) == sorted(job.id for job in jobs)
    for job in jobs[:2]:
        ended = told.diary.ended[job.id]
        assert (str(ended.state), ended.error, ended.job_dir) == ("COMPLETED", None, job.job_dir)
        assert ended.node
        assert ended.duration is not None
    failed = told.diary.ended[told.array[1].id]
    assert (str(failed.state), failed.array_index) == ("FAILED", 1)
    assert isinstance(failed.error, ValueError)


def test_a_job_tells_the_copy_that_travelled_with_it(told: Told) -> None:
    def said(job: Job[Any]) -> list[str]:
        return job.get_stdout().splitlines()

    assert said(told.single) == [
        f"begins halve {told.single.id} None",
        f"ends None halve {told.single.id} None",
        f"completed halve {told.single.id} None",
    ]
    assert said(told.array[1])[:2] == [
        f"begins halve {told.array[1].id} 1",
        f"ends 7 is odd halve {told.array[1].id} 1",
    ]


def test_a_callback_that_fails_fails_no_job(told: Told) -> None:
    assert told.single.get_result() == 2
    assert told.array[0].get_result() == 3
    assert "not in the job" in told.single.get_stderr()
