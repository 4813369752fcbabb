"""The journal of the local scheduler: what it says when it is opened again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.local_queue import request

import slurm.local.journal
from slurm.local.jobs import JobSpec, LocalJob
from slurm.local.journal import Journal, JournalError
from slurm.local.requests import Resources, read_submission


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def empty(path: Path) -> Journal:
    journal = Journal(str(path))
    assert journal.outdated
    journal.rewrite([], [])
    return journal


def submission(job_id: int, **options: Any) -> JobSpec:
    return read_submission(job_id, request(f"token {job_id}", **options), 5.0, Resources(4, 4096))


def ended(job: LocalJob, end: float) -> LocalJob:
    return job._replace(
        state="FAILED", reason="NonZeroExitCode", exit_code="3:0", end=end, start=1.0
    )


def test_everything_is_there_again(path: Path) -> None:
    journal = empty(path)
    single = submission(1, mem="2G", time="10", comment="ünï", cpus_per_task="2")
    array = submission(2, array="0,5-7%2", mem="0")
    jobs = [*single.jobs(), *array.jobs()]
    journal.append([single, array], [])
    changed = [
        jobs[0]._replace(state="RUNNING", start=1.5, node="here", restarts=2),
        ended(jobs[2], 9.0),
        jobs[3]._replace(state="COMPLETING", cancelled=True, start=2.0),
        jobs[4]._replace(state="COMPLETING", requeued=True, start=2.0),
    ]
    journal.append([], changed)
    again = Journal(str(path))
    assert not again.outdated
    assert again.submissions == {1: single, 2: array}
    expected = {job.job_id: job for job in [*jobs, *changed]}
    assert again.jobs == expected
    journal.rewrite(again.submissions.values(), again.jobs.values())
    journal.append([], [ended(changed[0], 7.0)])
    again = Journal(str(path))
    assert (again.submissions, again.jobs) == (
        {1: single, 2: array},
        {**expected, 1: ended(changed[0], 7.0)},
    )


def test_an_array_is_one_line_until_something_happens_to_its_elements(path: Path) -> None:
    journal = empty(path)
    array = submission(1, array="0-999")
    journal.append([array], [])
    assert len(path.read_text().splitlines()) == 2
    journal.append([], [ended(array.jobs()[7], 3.0)])
    assert json.loads(path.read_text().splitlines()[-1]) == {
        "job": 9,
        "state": "FAILED",
        "reason": "NonZeroExitCode",
        "exit_code": "3:0",
        "start": 1.0,
        "end": 3.0,
    }


def test_a_torn_last_line_is_forgotten(path: Path) -> None:
    journal = empty(path)
    journal.append([submission(1)], [])
    with path.open("a") as file:
        file.write('{"job":1,"sta')
    assert Journal(str(path)).jobs == {1: submission(1).jobs()[0]}
    Journal(str(path)).append([submission(2)], [])
    assert list(Journal(str(path)).submissions) == [1, 2]


def test_a_journal_that_has_grown_is_to_be_rewritten(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm.local.journal, "REWRITE_ABOVE", 1000)
    journal = empty(path)
    jobs = submission(1, comment="x" * 1000).jobs()
    journal.append([jobs[0].submission], [])
    journal.rewrite([jobs[0].submission], jobs)
    for end in (1.0, 2.0):
        assert not journal.outdated
        journal.append([], [ended(jobs[0], end)])
    assert journal.outdated
    assert Journal(str(path)).outdated
    journal.rewrite([jobs[0].submission], [ended(jobs[0], 2.0)])
    assert not Journal(str(path)).outdated
    assert len(path.read_text().splitlines()) == 3


OLD: dict[str, Any] = {
    "job_id": 7,
    "token": "old token",
    "name": "train",
    "script": "/work/job.sh",
    "cwd": "/work",
    "options": {"time": "10"},
    "submitted": 5.0,
    "orchestrator": True,
    "cpus": 3,
    "time_limit": 600,
    "state": "RUNNING",
    "reason": "None",
    "exit_code": "0:0",
    "node": "here",
    "start": 6.0,
    "end": None,
    "restarts": 1,
    "cancelled": False,
}


def test_a_journal_of_the_first_format_is_read_and_rewritten(path: Path) -> None:
    lines = [{"format": 1}, {**OLD, "state": "PENDING"}, OLD, {**OLD, "job_id": 8, "token": "b"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    journal = Journal(str(path))
    assert journal.outdated
    assert sorted(journal.submissions) == sorted(journal.jobs) == [7, 8]
    job, wanted = journal.jobs[7], journal.submissions[7]
    assert (job.state, job.start, job.restarts, job.node) == ("RUNNING", 6.0, 1, "here")
    assert (wanted.token, wanted.cpus, wanted.time_limit) == ("old token", 3, 600)
    assert wanted.orchestrator
    journal.rewrite(journal.submissions.values(), journal.jobs.values())
    again = Journal(str(path))
    assert (again.submissions, again.jobs) == (journal.submissions, journal.jobs)
    assert not again.outdated


@pytest.mark.parametrize(
    "line",
    [
        "something else",
        "[]",
        '{"format": [3]}',
        '{"job": 1, "state": "DANCING"}',
        '{"job": 1, "state": ["RUNNING"]}',
        '{"job": 1, "state": "RUNNING", "start": NaN}',
        '{"job": 1, "restarts": -1}',
        '{"job": 1, "exit_code": "well"}',
        '{"job": 1, "cancelled": 1}',
        "[" * 100_000,
        "9" * 5000,
        "\x00\x00",
        '{"job": 5, "state": "RUNNING"}',
        '{"submission": {"job_id": 1}}',
        '{"submission": {"job_id": 1, "options": {"array": "x"}}}',
        json.dumps({**OLD, "options": None}),
    ],
)
def test_what_is_not_understood_is_named_with_its_line_and_costs_no_other(
    path: Path, line: str
) -> None:
    journal = empty(path)
    journal.append([submission(1), submission(2)], [])
    path.write_text(path.read_text() + line + "\n")
    before = path.read_bytes()
    after = ended(submission(2).jobs()[0], 9.0)
    Journal(str(path)).append([submission(3)], [after])
    again = Journal(str(path))
    assert again.problem.startswith(
        f"{path}, line 4: cannot be read; it is kept as {path}.damaged-"
    )
    assert again.outdated
    assert again.jobs == {1: submission(1).jobs()[0], 2: after, 3: submission(3).jobs()[0]}
    assert again.said.doubtful == {1}, "what became of 2 and 3 is told after it"
    kept = [one.read_bytes() for one in path.parent.glob("journal.jsonl.damaged-*")]
    assert all(one.startswith(before) for one in kept)
    assert kept
    again.rewrite(again.submissions.values(), again.jobs.values())
    whole = Journal(str(path))
    assert (whole.problem, whole.jobs) == ("", again.jobs)


def test_any_journal_at_all_can_be_opened(path: Path) -> None:
    """Cut off anywhere, and with any byte of it another: what is left of it is what was written."""
    journal = empty(path)
    one, array = submission(1, time="10"), submission(2, array="0-2")
    journal.append([one, array], [ended(one.jobs()[0], 9.0)])
    content = path.read_bytes()
    states = {"PENDING", "FAILED"}
    for place in range(0, len(content), 7):
        for damaged in (content[:place], content[:place] + b"\xfe" + content[place + 1 :]):
            path.write_bytes(damaged)
            jobs = Journal(str(path)).jobs
            assert set(jobs) <= {1, 3, 4, 5}
            assert {job.state for job in jobs.values()} <= states
            for aside in path.parent.glob("journal.jsonl.damaged-*"):
                aside.unlink()


def test_a_journal_of_a_later_version_is_left_alone(path: Path) -> None:
    path.write_text('{"format": 3, "lines": 0}\n')
    with pytest.raises(
        JournalError, match=r"journal\.jsonl, line 1: format 3: .*move the file away"
    ):
        Journal(str(path))
    assert path.read_text() == '{"format": 3, "lines": 0}\n'
