"""What a job needs is there when it is submitted, and used from then on; else nothing is submitted, and that is certain."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.helpers import scheduler_on_disk as disk

from slurm.api.requests import JobRequest
from slurm.errors import PackagingError

LONG_AGO = 1_000_000_000


@pytest.fixture
def code(base: Path) -> Path:
    """A copy of code that nobody has used for long."""
    path = base / ".packages/source/mine-0123456789abcdef"
    path.mkdir(parents=True, mode=0o700)
    base.chmod(0o700)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def wanting(request: JobRequest, *needed: Path) -> JobRequest:
    return request._replace(needed=[str(path) for path in needed])


def test_a_submission_uses_what_its_job_needs(
    base: Path, scheduler: disk.SchedulerOnDisk, code: Path
) -> None:
    [answer] = disk.submit(scheduler, base, wanting(disk.request_for(base), code))
    assert answer.job_id == "101"
    assert code.stat().st_mtime > LONG_AGO


def test_without_it_nothing_is_submitted_and_others_are(
    base: Path, scheduler: disk.SchedulerOnDisk, code: Path
) -> None:
    lost = code.with_name("gone-0123456789abcdef")
    first = wanting(disk.request_for(base, "1", "aa11"), code, lost)
    second = wanting(disk.request_for(base, "2", "bb22"), code)
    refused, taken = disk.submit(scheduler, base, first, second)
    assert isinstance(refused.error, PackagingError)
    assert refused.error.gone == (str(lost),)
    assert f"nothing was submitted: {lost} is not there any more" in str(refused.error)
    assert taken.job_id == "101"
    assert not Path(first.job_dir).exists()
    lost.mkdir()
    [again] = disk.submit(scheduler, base, first)
    assert again.job_id == "102"


def test_what_is_submitted_already_is_found_without_it(
    base: Path, scheduler: disk.SchedulerOnDisk, code: Path
) -> None:
    request = wanting(disk.request_for(base), code)
    disk.submit(scheduler, base, request)
    code.rmdir()
    [answer] = disk.submit(scheduler, base, request)
    assert answer.job_id == "101"
    assert len(scheduler.submissions()) == 1


@pytest.mark.local
def test_an_attempt_that_was_cut_off_is_not_repeated_without_it(
    base: Path, scheduler: disk.SchedulerOnDisk, code: Path
) -> None:
    request = wanting(disk.request_for(base), code)
    disk.killed(base, request, "before")
    code.rmdir()
    [answer] = disk.submit(scheduler, base, request)
    assert isinstance(answer.error, PackagingError)
    assert scheduler.submissions() == []
    code.mkdir()
    [answer] = disk.submit(scheduler, base, request)
    assert answer.job_id == "101"


def test_a_part_of_an_array_without_it_is_none(
    base: Path, scheduler: disk.SchedulerOnDisk, code: Path
) -> None:
    code.rmdir()
    first = wanting(disk.request_for(base, token="aa11"), code)
    second = wanting(disk.request_for(base, token="bb22"), code)._replace(
        files={},
        continues=True,
        id_key="job_id_1",
    )
    answers = disk.submit(scheduler, base, first, second)
    assert [getattr(answer.error, "gone", None) for answer in answers] == [(str(code),)] * 2
    assert scheduler.submissions() == []


def test_what_another_user_has_made_is_used_as_it_is(
    base: Path, scheduler: disk.SchedulerOnDisk, monkeypatch: pytest.MonkeyPatch, code: Path
) -> None:
    def refuse(path: str, *arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted", path)

    monkeypatch.setattr(os, "utime", refuse)
    [answer] = disk.submit(scheduler, base, wanting(disk.request_for(base), code))
    assert answer.job_id == "101"
