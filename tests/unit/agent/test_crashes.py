"""Lost answers and killed clients: no job is lost, none is submitted twice.

The scheduler is a fake (see `scheduler_on_disk`): it notes what it was asked for and runs nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.helpers import scheduler_on_disk as disk

from slurm.agent.errors import AgentError
from slurm.api.requests import Submitted
from slurm.errors import SubmissionRefused, SubmissionUnknown

pytestmark = pytest.mark.local

# --- perhaps ---------------------------------------------------------------------------------------

LOST = AgentError("unanswered", "sbatch: error: Socket timed out on send/recv operation")


def test_a_lost_answer_is_found_again_by_the_token(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    scheduler.answer = LOST
    [answer] = disk.submit(scheduler, base, disk.request_for(base))
    assert answer == Submitted("101", str(base / "train" / "1"), reattached=False)
    assert len(scheduler.submissions()) == 1


@pytest.mark.parametrize("lookup", [None, AgentError("unreachable", "squeue gave no answer")])
def test_an_answer_that_stays_lost_is_unknown(
    lookup: AgentError | None, base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    scheduler.answer, scheduler.lookup_error, scheduler.forgets = LOST, lookup, True
    [answer] = disk.submit(scheduler, base, disk.request_for(base))
    assert isinstance(answer.error, SubmissionUnknown)
    assert "Socket timed out" in str(answer.error)
    assert (base / "train" / "1" / "payload.pkl").exists(), "the job may run: its files must stay"


def test_an_unknown_submission_is_found_when_it_is_asked_for_again(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    scheduler.answer, scheduler.forgets = LOST, True
    disk.submit(scheduler, base, disk.request_for(base))
    scheduler.answer, scheduler.forgets = None, False
    [answer] = disk.submit(scheduler, base, disk.request_for(base))
    assert answer.job_id == "101"
    assert len(scheduler.submissions()) == 1


def test_nothing_is_submitted_again_while_nobody_can_tell(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    scheduler.answer = LOST
    scheduler.lookup_error = AgentError("unreachable", "no answer")
    for _ in range(3):
        [answer] = disk.submit(scheduler, base, disk.request_for(base))
        assert answer.error is not None
    assert len(scheduler.submissions()) == 1


# --- killed between the intent and the id ----------------------------------------------------------


@pytest.mark.parametrize("die", ["before", "after", "answered"])
def test_a_killed_submission_is_made_once_when_it_is_repeated(
    die: str, base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    """As a request is that was lost with the connection: the same one, once more."""
    disk.killed(base, disk.request_for(base), die)
    [answer] = disk.submit(scheduler, base, disk.request_for(base))
    assert (answer.job_id, answer.job_dir) == ("101", str(base / "train" / "1"))
    [call] = scheduler.submissions()
    assert "job.sh" in call["there"]


@pytest.mark.parametrize("die", ["before", "after", "answered"])
def test_a_killed_pipeline_finds_its_submission_by_its_key(
    die: str, base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    """As a client does that was started anew: the same token, and a directory of its own."""
    disk.killed(base, disk.request_for(base, "1"), die)
    [answer] = disk.submit(scheduler, base, disk.request_for(base, "2"))
    assert answer.error is None
    assert answer.job_id == "101"
    [call] = scheduler.submissions()
    assert call["cwd"] == answer.job_dir, "the directory of the job that runs"
    assert call["there"] == ["job.sh", "metadata.json", "payload.pkl"]


def test_metadata_names_the_job_also_when_it_was_found_again(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    disk.killed(base, disk.request_for(base), "after")
    disk.submit(scheduler, base, disk.request_for(base))
    metadata = json.loads((base / "train" / "1" / "metadata.json").read_text())
    assert metadata == {"job_id": "101"}


def test_a_killed_submission_that_has_run_is_not_made_again_when_slurm_has_forgotten_it(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    """No accounting, or none of comments: after MinJobAge only the job's own directory knows."""
    disk.killed(base, disk.request_for(base, "1"), "after")
    scheduler.forgets = True
    ran = base / "train" / "1"
    (ran / "metadata.json").write_text(json.dumps({"job_id": "101", "status": "completed"}))
    (ran / "result.pkl").write_bytes(b"its result")
    [answer] = disk.submit(scheduler, base, disk.request_for(base, "2"))
    assert len(scheduler.submissions()) == 1, "the job was run a second time"
    assert (answer.job_id, answer.job_dir) == ("101", str(ran))


def test_a_refusal_of_a_repeated_submission_is_a_refusal(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    disk.killed(base, disk.request_for(base, "1"), "before")
    scheduler.answer = AgentError("refused", "over quota")
    [answer] = disk.submit(scheduler, base, disk.request_for(base, "2"))
    assert isinstance(answer.error, SubmissionRefused)
    scheduler.answer = None
    [answer] = disk.submit(scheduler, base, disk.request_for(base, "3"))
    assert answer.job_id == "101"
