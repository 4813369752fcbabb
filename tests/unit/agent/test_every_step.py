"""A fault at every step of a submission, one after the other: never two jobs, never one that is lost.

What is repeated is what a client does that was cut off, or one that was started anew with the same
key. The scheduler is a fake (see `scheduler_on_disk`): it notes what it was asked for.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.helpers import scheduler_on_disk as disk
from tests.helpers.steps import every_step

from slurm.agent.errors import AgentError
from slurm.api.requests import JobRequest, Submitted
from slurm.errors import SlurmError, SubmissionUnknown

FAULTS = ["killed", "fails"]
BEFORE_THE_RECEIPT = (
    4  # two directories and two locks: nobody has looked yet whether there is a job
)
Requests = Callable[[], Sequence[JobRequest]]


class Bench:
    """Begins anew for every step: a base directory and a scheduler that nobody has used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = itertools.count()
        self.scheduler = disk.SchedulerOnDisk(folder / "queue")

    def anew(self) -> None:
        home = self.folder / str(next(self.count))
        home.mkdir()
        self.base = home / "jobs"
        self.scheduler.path = home / "queue"
        self.scheduler.answer = None
        self.scheduler.latest_job = 900.0

    def submit(self, *requests: JobRequest) -> list[Submitted]:
        return disk.submit(self.scheduler, self.base, *requests)

    def each_step(
        self, fault: str, requests: Requests, begin: Callable[[], None] | None = None
    ) -> Iterator[tuple[int, list[SlurmError | None]]]:
        """The errors with which the submission of `requests` ended, for a fault at each of its steps."""

        def from_the_beginning() -> None:
            self.anew()
            if begin is not None:
                begin()

        errors: list[SlurmError | None] = []

        def act() -> None:
            errors.clear()
            try:
                errors.extend(answer.error for answer in self.submit(*requests()))
            except SlurmError as error:
                errors.append(error)

        for number in every_step(fault, self.scheduler, from_the_beginning, act):
            yield number, errors

    def until_known(self, *requests: JobRequest) -> list[Submitted]:
        """Ask again; where nobody can tell yet, once more when a late job cannot come any more."""
        answers = self.submit(*requests)
        unknown = [one for one in answers if isinstance(one.error, SubmissionUnknown)]
        if unknown:
            self.scheduler.latest_job = 0.0
            answers = self.submit(*requests)
        return answers

    def jobs(self) -> list[str]:
        """The tokens the scheduler was asked to run."""
        return [job["token"] for job in self.scheduler.submissions()]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # the machine itself does not die
    return Bench(tmp_path)


def assert_found(bench: Bench, request: JobRequest, answer: Submitted) -> None:
    """A new client finds the job in every way there is."""
    assert answer.error is None
    folder = Path(answer.job_dir)
    assert sorted(p.name for p in folder.iterdir() if p.name in request.files) == sorted(
        request.files
    )
    assert json.loads((folder / request.metadata).read_text())[request.id_key] == answer.job_id
    place = json.loads((bench.base / ".receipts" / f"job-{answer.job_id}.json").read_text())
    assert place == {"job_dir": answer.job_dir, "token": request.token}


@pytest.mark.parametrize("again", ["1", "2"], ids=["the same request", "the same key"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_submission_that_goes_wrong_anywhere_becomes_one_job(
    fault: str, again: str, bench: Bench
) -> None:
    for number, errors in bench.each_step(fault, lambda: [disk.request_for(bench.base)]):
        made = bench.jobs()
        if errors == [None] or any(isinstance(e, SubmissionUnknown) for e in errors):
            assert len(made) == 1, f"step {number}: {errors}"
        elif errors:
            assert made == [], f"step {number}: {errors[0]!r} says that nothing was submitted"
        request = disk.request_for(bench.base, again)
        [answer] = bench.until_known(request)
        assert bench.jobs() == ["aa11"], f"step {number}"
        assert_found(bench, request, answer)


@pytest.mark.parametrize("fault", FAULTS)
def test_an_answer_that_is_lost_may_be_looked_for_in_vain(fault: str, bench: Bench) -> None:
    """The scheduler took the job and did not say so; no error may say then that there is none."""

    def lost() -> list[JobRequest]:
        bench.scheduler.answer = AgentError("unanswered", "Socket timed out")
        return [disk.request_for(bench.base)]

    for number, errors in bench.each_step(fault, lost):
        sure = [e for e in errors if e is not None and not isinstance(e, SubmissionUnknown)]
        assert not (sure and bench.jobs()), f"step {number}: {sure[0]!r}"
        bench.scheduler.answer = None
        request = disk.request_for(bench.base, "2")
        [answer] = bench.until_known(request)
        assert bench.jobs() == ["aa11"], f"step {number}"
        assert_found(bench, request, answer)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_parts_of_an_array_become_one_job_each(fault: str, bench: Bench) -> None:
    def pieces() -> list[JobRequest]:
        first = disk.request_for(bench.base)
        files = {"job_1.sh": b"#!/bin/bash\n"}
        second = first._replace(token="aa22", script="job_1.sh", files=files, id_key="job_id_1")
        return [first, second._replace(continues=True)]

    for number, _ in bench.each_step(fault, pieces):
        answers = bench.until_known(*pieces())
        assert sorted(bench.jobs()) == ["aa11", "aa22"], f"step {number}"
        for request, answer in zip(pieces(), answers):
            assert_found(bench, request, answer)


def test_a_refusal_that_is_cut_off_leaves_the_key_free(bench: Bench) -> None:
    def refused() -> list[JobRequest]:
        bench.scheduler.answer = AgentError("refused", "over quota")
        return [disk.request_for(bench.base, "1")]

    for number, _ in bench.each_step("killed", refused):
        bench.scheduler.answer = None
        request = disk.request_for(bench.base, "2")
        [answer] = bench.until_known(request)
        assert bench.jobs() == ["aa11"], f"step {number}"
        assert_found(bench, request, answer)


@pytest.mark.parametrize("fault", FAULTS)
def test_looking_for_the_job_may_go_wrong_as_well(fault: str, bench: Bench) -> None:
    """The first was killed between the scheduler's yes and the note of it; and then the second, anywhere."""

    def leave_unnoted() -> None:
        request = disk.request_for(bench.base)
        bench.submit(request)
        receipts = bench.base / ".receipts"
        (receipts / "job-101.json").unlink()
        receipt = receipts / f"{request.token}.json"
        receipt.write_text(json.dumps({**json.loads(receipt.read_text()), "job_id": None}))
        (Path(request.job_dir) / "metadata.json").write_text("{}")

    def again() -> list[JobRequest]:
        return [disk.request_for(bench.base, "2")]

    for number, errors in bench.each_step(fault, again, leave_unnoted):
        sure = [e for e in errors if e is not None and not isinstance(e, SubmissionUnknown)]
        assert number < BEFORE_THE_RECEIPT or not sure, f"step {number}: {sure}"
        request = disk.request_for(bench.base, "3")
        [answer] = bench.submit(request)
        assert bench.jobs() == ["aa11"], f"step {number}"
        assert answer.job_dir == disk.request_for(bench.base).job_dir
        assert_found(bench, request, answer)
