"""sbatch without an answer: what is certain then, where the job is looked for, and for how long."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from pathlib import Path

import pytest
from tests.helpers import scheduler_on_disk as disk
from tests.helpers.fakes import NO_ACCOUNTING, Programs

from slurm.agent import commands, receipts
from slurm.agent.agent import Agent
from slurm.agent.errors import AgentError
from slurm.agent.locks import Locked
from slurm.agent.sbatch import outcome_of_sbatch
from slurm.agent.slurm_commands import SlurmCommands
from slurm.agent.tables import find_mark
from slurm.api.requests import Archive, Submitted
from slurm.api.slurm_cli import InProcessBackend, SlurmCliBackend
from slurm.errors import RemoteFileError, SchedulerUnreachable, SubmissionUnknown

SCRIPT = "/home/me/jobs/train/1/job.sh"
TOKEN = "c0ffee"

# --- what sbatch said ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        "Batch job submission failed: Socket timed out on send/recv operation",
        "Batch job submission failed: Unable to contact slurm controller (receive failure)",
        "Batch job submission failed: Unable to contact slurm controller (send failure)",
        "Batch job submission failed: Zero Bytes were transmitted or received",
        "Batch job submission failed: Message receive failure",
        "Batch job submission failed: Message send failure",
        "Batch job submission failed: Insane message length",
        "Batch job submission failed: Header lengths are longer than data received",
        "Batch job submission failed: Transport endpoint is not connected",
        "Batch job submission failed: Connection reset by peer",
        "Batch job submission failed: Broken pipe",
        "Batch job submission failed: Unexpected message received",
    ],
)
def test_a_connection_that_broke_says_nothing_of_the_job(said: str) -> None:
    assert outcome_of_sbatch(1, "sbatch: error: " + said) == "unanswered"


def test_what_is_certain_is_told_from_what_is_not() -> None:
    never = "sbatch: error: Unable to contact slurm controller (connect failure)"
    assert outcome_of_sbatch(1, never) == "unsent"
    assert outcome_of_sbatch(1, "sbatch: error: Invalid qos specification") == "refused"
    assert outcome_of_sbatch(0, "no id") == "unanswered"
    assert outcome_of_sbatch(-9, never) == "unanswered", "it was killed, whatever it said before"


# --- by what a job is known ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [
        f"7|PENDING|None||N/A|{TOKEN}|{SCRIPT}",
        f"7|PENDING|None||N/A|{TOKEN} a|b|/other",
        f"7|PENDING|None||N/A|the site's own comment|{SCRIPT}",
        f"7_[0-3]|PENDING|None||N/A|{TOKEN}|{SCRIPT}",
        f"7|sbatch --parsable --comment={TOKEN} a|b {SCRIPT}|",
        f"7|sbatch --parsable {SCRIPT}|",
        f"7||{TOKEN} mine",
    ],
)
def test_a_job_is_known_by_its_token_and_by_its_script(row: str) -> None:
    table = (
        f"5|PENDING|None||N/A|{TOKEN}0|{SCRIPT}.old\n6|RUNNING|||N/A|x{TOKEN}|/a{SCRIPT}\n{row}\n"
    )
    assert find_mark(table, TOKEN, SCRIPT) == "7"


def test_another_job_is_not_taken_for_it() -> None:
    rows = [f"5|R|||{TOKEN}0|x", f"6|R|||x|{SCRIPT}.old", f"{TOKEN}|R|||x|y", f"8|R|||x|/z{SCRIPT}"]
    assert find_mark("\n".join(rows), TOKEN, SCRIPT) is None


def test_a_job_of_the_same_key_that_was_cleaned_up_since_is_not_taken_for_it() -> None:
    """Its directory was another one. A site's own sbatch may give Slurm a copy of the script, which says nothing."""
    place = "/home/me/jobs/train/20260301_101500_00c0ffee/job_1.sh"
    old = place.replace("101500", "091500")
    rows = f"5|sbatch --parsable --comment={TOKEN} {old}|\n6|R|||N/A|{TOKEN}|{old}\n"
    assert find_mark(rows, TOKEN, place) is None
    assert find_mark(f"{rows}7|R|||N/A|{TOKEN}|{place}", TOKEN, place) == "7"
    assert find_mark(f"{rows}7|R|||N/A|{TOKEN}|/tmp/site/job.sh", TOKEN, place) == "7"


def test_a_job_is_found_where_accounting_keeps_no_comments(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    programs.add("sacct", f"echo '7|sbatch --parsable --comment=x {SCRIPT}|'")
    assert slurm.agent.scheduler.find_submission("lost", SCRIPT, 0.0) == "7"


def test_accounting_that_keeps_no_command_lines_is_asked_for_comments(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    """Slurm 20.11."""
    refuses = "echo 'sacct: error: Invalid field requested: \"SubmitLine\"' >&2; exit 1"
    programs.add("sacct", f'case "$*" in *SubmitLine*) {refuses};; esac; echo "7|{TOKEN}"')
    assert slurm.agent.scheduler.find_submission(TOKEN, SCRIPT, 0.0) == "7"


def test_accounting_is_asked_as_far_back_as_the_submission(
    slurm: SlurmCliBackend, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 10 * 86400.0)
    for asked_at, since in ((3 * 86400.0, "now-9days"), (20 * 86400.0, "now-2days")):
        slurm.agent.scheduler.find_submission(TOKEN, SCRIPT, asked_at)
        assert since in programs.calls("sacct")[-1]


@pytest.mark.parametrize("away", ["squeue", "sacct"])
def test_a_scheduler_that_does_not_say_is_not_taken_for_one_that_says_no(
    away: str, slurm: SlurmCliBackend, programs: Programs
) -> None:
    programs.add(away, "echo 'error: Connection refused' >&2; exit 1")
    with pytest.raises(AgentError) as caught:
        slurm.agent.scheduler.find_submission(TOKEN, SCRIPT, 0.0)
    assert caught.value.kind == "unreachable"


def test_a_site_without_accounting_can_say_no(slurm: SlurmCliBackend, programs: Programs) -> None:
    programs.add("sacct", NO_ACCOUNTING)
    assert slurm.agent.scheduler.find_submission(TOKEN, SCRIPT, 0.0) is None


# --- for how long ----------------------------------------------------------------------------------


def cut_off(base: Path, scheduler: disk.SchedulerOnDisk) -> Path:
    """A submission with the answer lost, of which the scheduler knows nothing yet; its receipt."""
    scheduler.answer, scheduler.forgets = AgentError("unanswered", "Socket timed out"), True
    [answer] = disk.submit(scheduler, base, disk.request_for(base))
    assert isinstance(answer.error, SubmissionUnknown)
    scheduler.answer = None
    return base / ".receipts" / "aa11.json"


def test_a_job_that_may_still_come_is_waited_for(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    """A controller that hangs takes the job when it goes on, long after sbatch has given up."""
    cut_off(base, scheduler)
    scheduler.latest_job = 900.0
    [answer] = disk.submit(scheduler, base, disk.request_for(base, "2"))
    assert isinstance(answer.error, SubmissionUnknown)
    assert "it may for 9" in str(answer.error) or "it may for 8" in str(answer.error)
    assert len(scheduler.submissions()) == 1
    scheduler.forgets = False
    [answer] = disk.submit(scheduler, base, disk.request_for(base, "2"))
    assert answer.job_id == "101"


def test_a_job_that_cannot_come_any_more_is_submitted(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    receipt = cut_off(base, scheduler)
    scheduler.latest_job = 900.0
    known = json.loads(receipt.read_text())
    receipt.write_text(json.dumps({**known, "asked_at": known["asked_at"] - 1000}))
    [answer] = disk.submit(scheduler, base, disk.request_for(base, "2"))
    assert (answer.job_id, answer.job_dir) == ("102", str(base / "train" / "1"))


def test_each_attempt_has_a_time_of_its_own(base: Path, scheduler: disk.SchedulerOnDisk) -> None:
    """The second was cut off as well: now its job may come late."""
    receipt = cut_off(base, scheduler)
    scheduler.latest_job = 900.0
    receipt.write_text(json.dumps({**json.loads(receipt.read_text()), "asked_at": 1000.0}))
    cut_off(base, scheduler)
    [answer] = disk.submit(scheduler, base, disk.request_for(base, "2"))
    assert isinstance(answer.error, SubmissionUnknown)
    assert len(scheduler.submissions()) == 2


def test_a_receipt_of_an_older_release_tells_by_its_own_age(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    receipt = cut_off(base, scheduler)
    scheduler.latest_job = 900.0
    old = {k: v for k, v in json.loads(receipt.read_text()).items() if k != "asked_at"}
    receipt.write_text(json.dumps(old))
    [answer] = disk.submit(scheduler, base, disk.request_for(base, "2"))
    assert isinstance(answer.error, SubmissionUnknown)
    os.utime(receipt, (1000, 1000))
    [answer] = disk.submit(scheduler, base, disk.request_for(base, "2"))
    assert answer.job_id == "102"


def test_a_job_that_has_started_is_known_by_what_it_prints_to(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    """No accounting, forgotten by the controller, and ended before Python came to note its id."""
    cut_off(base, scheduler)
    (base / "train" / "1" / "slurm_101.out").touch()
    [answer] = disk.submit(scheduler, base, disk.request_for(base, "2"))
    assert (answer.job_id, answer.error) == ("101", None)


def test_an_id_leads_to_the_last_job_that_got_it(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    """Also when an earlier one, whose answer was lost and which the controller forgot, is found later."""
    cut_off(base, scheduler)
    scheduler.path.unlink()
    [later] = disk.submit(scheduler, base, disk.request_for(base, "2", "bb22"))
    (base / "train" / "1" / "slurm_101.out").touch()
    [earlier] = disk.submit(scheduler, base, disk.request_for(base, "3"))
    assert (earlier.job_id, earlier.job_dir) == (later.job_id, str(base / "train" / "1"))
    known = json.loads((base / ".receipts" / "job-101.json").read_text())
    assert known == {"job_dir": later.job_dir, "token": "bb22"}


@pytest.mark.local
def test_a_job_directory_that_was_removed_is_written_again(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    disk.killed(base, disk.request_for(base, "1"), "before")
    for path in (base / "train" / "1").iterdir():
        path.unlink()
    (base / "train" / "1").rmdir()
    [answer] = disk.submit(scheduler, base, disk.request_for(base, "2"))
    assert answer.job_dir == str(base / "train" / "2")
    assert scheduler.submissions()[-1]["there"] == ["job.sh", "metadata.json", "payload.pkl"]


def test_a_receipt_that_cannot_be_read_makes_no_second_job(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    receipt = cut_off(base, scheduler)
    receipt.write_text("{")
    answers = disk.submit(
        scheduler, base, disk.request_for(base, "2"), disk.request_for(base, "3", "t3")
    )
    assert isinstance(answers[0].error, SubmissionUnknown)
    assert str(receipt) in str(answers[0].error)
    assert len(scheduler.submissions()) == 1


def test_whoever_waits_for_another_submission_in_vain_does_not_know(
    base: Path, scheduler: disk.SchedulerOnDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "SUBMISSION_TURN", 0.02)
    (base / ".receipts").mkdir(parents=True, mode=0o700)
    os.chmod(base, 0o700)
    with Locked(str(base / ".receipts" / ".lock-a11")):
        [answer] = disk.submit(scheduler, base, disk.request_for(base))
    assert isinstance(answer.error, SubmissionUnknown)
    assert scheduler.submissions() == []


def test_without_locks_two_machines_make_one_job(
    base: Path, scheduler: disk.SchedulerOnDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system whose locks hold on one machine only: the receipt itself is the lock."""
    monkeypatch.setattr(fcntl, "flock", lambda *args: None)
    scheduler.latest_job = 900.0
    really, inner = scheduler.submit, list[Submitted]()

    def meanwhile(**call: object) -> str:
        inner.extend(disk.submit(scheduler, base, disk.request_for(base, "2")))
        return really(**call)

    scheduler.submit = meanwhile  # type: ignore[method-assign]
    [answer] = disk.submit(scheduler, base, disk.request_for(base, "1"))
    assert answer.job_id == "101"
    assert isinstance(inner[0].error, SubmissionUnknown)
    assert len(scheduler.submissions()) == 1


def test_where_files_have_one_name_only_a_submission_is_made_once_as_well(
    base: Path, scheduler: disk.SchedulerOnDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    for name in "12":
        [answer] = disk.submit(scheduler, base, disk.request_for(base, name))
        assert (answer.job_id, answer.job_dir) == ("101", str(base / "train" / "1"))
    assert len(scheduler.submissions()) == 1
    files = InProcessBackend(Agent(scheduler))
    assert files.write_file(str(base / "note"), b"mine", exclusive=True)
    assert not files.write_file(str(base / "note"), b"another's", exclusive=True)
    assert (base / "note").read_bytes() == b"mine"


# --- in one go -------------------------------------------------------------------------------------


def test_a_controller_that_comes_back_soon_is_asked_again(
    slurm: SlurmCliBackend, programs: Programs, tmp_path: Path
) -> None:
    """It was being restarted: there was no connection, so nothing can have been submitted."""
    slurm.agent.scheduler.search_pauses = (0.0, 0.0)
    away = "echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1"
    programs.add("sbatch", f"if mkdir $HERE/once 2>/dev/null; then {away}; fi; echo 7")
    [answer] = submitted(slurm, tmp_path)
    assert answer.job_id == "7"
    assert len(programs.calls("sbatch")) == 2


def test_a_controller_that_stays_away_was_not_asked_and_nothing_is_left(
    slurm: SlurmCliBackend, programs: Programs, tmp_path: Path
) -> None:
    away = "echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1"
    programs.add("sbatch", away)
    [answer] = submitted(slurm, tmp_path)
    assert type(answer.error) is SchedulerUnreachable
    assert not list((tmp_path / "jobs").rglob("*.json"))


def test_a_lost_answer_is_looked_for_until_the_job_shows(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    scheduler.search_pauses = (0.0, 0.0, 0.0)
    scheduler.answer = AgentError("unanswered", "Socket timed out")
    looks = [AgentError("unreachable", "squeue: Connection refused"), None]
    find = scheduler.find_submission

    def late(*about: object) -> str | None:
        look = looks.pop(0) if looks else find(*about)  # type: ignore[arg-type]
        if isinstance(look, AgentError):
            raise look
        return look

    scheduler.find_submission = late  # type: ignore[assignment]
    [answer] = disk.submit(scheduler, base, disk.request_for(base))
    assert (answer.job_id, answer.error) == ("101", None)


def test_after_one_that_is_not_answered_the_others_are_not_asked_for(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    [before] = disk.submit(scheduler, base, disk.request_for(base, "0", "t0"))
    scheduler.answer, scheduler.forgets = AgentError("unanswered", "Socket timed out"), True
    answers = disk.submit(
        scheduler, base, *(disk.request_for(base, name, f"t{name}") for name in "102")
    )
    assert [type(answer.error) for answer in answers] == [
        SubmissionUnknown,
        type(None),
        SchedulerUnreachable,
    ]
    assert answers[1].job_id == before.job_id, "what is known is known"
    assert not (base / "train" / "2").exists()
    assert len(scheduler.submissions()) == 2


def test_an_sbatch_that_hangs_in_a_sites_wrapper_is_given_up_in_time(
    slurm: SlurmCliBackend, programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the wrapper started holds the pipe: it is ended with the wrapper."""
    monkeypatch.setattr(commands, "COMMAND_TIMEOUT", 0.2)
    programs.add("sbatch", "sleep 600; echo 7")
    [answer] = submitted(slurm, tmp_path)
    assert isinstance(answer.error, SubmissionUnknown)
    assert "sbatch gave no answer" in str(answer.error)


def test_an_sbatch_that_cannot_be_started_was_not(
    slurm: SlurmCliBackend, programs: Programs, tmp_path: Path
) -> None:
    programs.add("sbatch", "echo 7")
    (programs.folder / "sbatch").write_text("#!/no/such/interpreter\n")
    (programs.folder / "sbatch").chmod(0o600)
    [answer] = submitted(slurm, tmp_path)
    assert answer.error is not None
    assert not isinstance(answer.error, (SubmissionUnknown, RemoteFileError))
    assert not list((tmp_path / "jobs").rglob("*.json"))


def submitted(slurm: SlurmCliBackend, folder: Path) -> list[Submitted]:
    base = folder / "jobs"
    archive = Archive(str(folder))
    request = disk.request_for(base)
    return slurm.submit_jobs(
        [request], base=str(base), events=f"{base}/.events/me", archive=archive
    )


def test_commands_are_not_left_behind(tmp_path: Path) -> None:
    argv = ["sh", "-c", "echo $$ > part; mv part pid; sleep 600; true"]
    seconds, note = 0.2, tmp_path / "pid"
    while not note.exists():  # on a busy machine it has not come to that in so short a time
        with pytest.raises(AgentError, match="sh gave no answer in"):
            SlurmCommands().run(argv, str(tmp_path), (), seconds)
        seconds *= 4
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
