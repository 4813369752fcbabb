"""Cleaning up: what jobs have left goes when nobody needs it, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.helpers import scheduler_on_disk as disk
from tests.helpers.old_base import BLOCK, DAY, Base, Queue
from tests.helpers.steps import every_step

from slurm.agent import needed
from slurm.agent.agent import Agent
from slurm.agent.clean_up import CleanUp
from slurm.api.base import Cleaned, CleanedUp
from slurm.api.slurm_cli import InProcessBackend
from slurm.errors import RemoteFileError, SchedulerUnreachable, SlurmError

FIRST, SECOND = "20250101_101500_00c0ffee", "20250101_101501_00c0ffee"
TRAIN, SCORE = f"train/{FIRST}", f"score/{SECOND}"


@pytest.fixture
def base(tmp_path: Path) -> Base:
    return Base(tmp_path / "jobs")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- jobs that have ended ------------------------------------------------------------------------


def test_an_old_job_goes_with_its_receipts_and_a_young_one_stays(base: Base) -> None:
    old, young = base.left(TRAIN), base.left(SCORE, "8", days=29)
    would = base.clean_up(dry_run=True)
    assert old.exists()
    done = base.clean_up()
    assert (done.jobs.removed, done.jobs.recent, done.receipts.removed) == (1, 1, 2)
    assert done.jobs.freed >= len(BLOCK)
    assert would == done._replace(dry_run=True)
    assert not old.exists()
    assert young.exists()
    assert base.receipts() == {"t8", "job-8"}
    assert names(base.path) >= {"score"}
    assert "train" not in names(base.path)  # in which nothing is any more
    assert names(base.path / ".removed") == set()
    assert base.clean_up() == CleanedUp(False, jobs=Cleaned(recent=1), receipts=Cleaned(needed=2))


@pytest.mark.parametrize("touched", ["the directory", "a file", "a file deep in it"])
def test_a_job_with_which_something_was_done_lately_is_not_old(base: Base, touched: str) -> None:
    folder = base.left(TRAIN)
    (folder / "mine/deep").mkdir(parents=True)
    (folder / "mine/deep/plot.png").write_bytes(BLOCK)
    base.all_old(folder)
    path = {"a file": folder / "job.sh", "a file deep in it": folder / "mine/deep/plot.png"}
    os.utime(path.get(touched, folder))
    assert base.clean_up().jobs == Cleaned(recent=1)
    base.all_old(folder)
    assert base.clean_up().jobs.removed == 1


@pytest.mark.parametrize("known_by", ["id", "token", "script", "script by another path"])
def test_a_job_in_the_queue_stays_whatever_it_has_noted(
    base: Base, tmp_path: Path, known_by: str
) -> None:
    """A failed one may be put into the queue again; one whose submission was cut off may have noted nothing."""
    job_id, status = ("7", "failed") if known_by == "id" else ("", "submitted")
    folder = base.left(TRAIN, job_id, status=status, token="t7")
    (tmp_path / "link").symlink_to(base.path)
    known_as = tmp_path / "link" / TRAIN if "another" in known_by else folder
    base.queue.live = ["7"]
    base.queue.comments = {"7": "t7 mine||" if known_by == "token" else f"|{known_as}/job.sh|"}
    assert base.clean_up(0).jobs == Cleaned(live=1)
    base.queue.live = []
    assert base.clean_up(0).jobs.removed == 1
    assert not folder.exists()


def test_a_job_that_noted_no_end_goes_when_the_accounts_say_that_it_has_ended_long_ago(
    base: Base,
) -> None:
    base.left(TRAIN, status="running", days=29)
    assert base.clean_up(7 * DAY).jobs == Cleaned(live=1)
    base.queue.accounts = {"7": "t7"}
    base.queue.ended_at = {"7": time.time() - 6 * DAY}
    assert base.clean_up(7 * DAY).jobs == Cleaned(recent=1)
    base.queue.ended_at = {"7": time.time() - 8 * DAY}
    assert base.clean_up(7 * DAY).jobs.removed == 1


def test_a_job_that_no_scheduler_here_knows_stays_for_a_month(base: Base) -> None:
    folder = base.left(TRAIN, status="running", days=29)
    assert base.clean_up(DAY).jobs == Cleaned(live=1)
    base.all_old(folder, 31)
    assert base.clean_up(DAY).jobs.removed == 1


def test_an_array_is_one_and_goes_when_all_its_items_have_ended(base: Base) -> None:
    array = base.left(TRAIN, count=2)
    for item, status in (("0", "completed"), ("1", "running")):
        folder = array / "tasks" / item
        folder.mkdir(parents=True)
        (folder / "metadata.json").write_text(json.dumps({"status": status}))
    base.all_old(array, 20)
    assert base.clean_up(DAY).jobs == Cleaned(live=1)
    (array / "tasks/1/metadata.json").write_text(json.dumps({"status": "failed"}))
    base.all_old(array, 20)
    assert base.clean_up(DAY).jobs.removed == 1
    assert not array.exists()


def test_all_submissions_of_an_array_have_their_receipts_removed(base: Base) -> None:
    array = base.left(TRAIN, count=2, job_id_1="8", ended=[{"items": "0-1", "status": "timeout"}])
    base.receipt("piece1", {"job_dir": str(array), "job_id": "8"})
    base.receipt("job-8", {"job_dir": str(array), "token": "piece1"})
    done = base.clean_up()
    assert (done.jobs.removed, done.receipts.removed) == (1, 4)
    assert base.receipts() == set()


# --- what others need ----------------------------------------------------------------------------


def test_what_a_job_waits_for_that_has_not_ended_stays(base: Base) -> None:
    base.left(TRAIN)
    array = base.left(f"train/{SECOND}", "8", count=1, ended=[{"items": "0", "status": "failed"}])
    waits = [{"job_id": "7", "type": "afterok"}, {"job_id": "8_0", "type": "aftercorr"}]
    waiting = base.left(SCORE, "9", status="submitted", dependencies=waits)
    base.queue.live = ["9"]
    assert base.clean_up().jobs == Cleaned(live=1, needed=2)
    base.queue.live = []
    base.queue.accounts = {"9": "t9"}
    assert base.clean_up(dry_run=True).jobs.removed == 3
    waiting.rename(base.path / "score/mine")
    assert base.clean_up().jobs.removed == 2
    assert not array.exists()


def test_so_does_what_a_job_of_another_base_waits_for(base: Base, tmp_path: Path) -> None:
    folder = base.left(TRAIN)
    other = Base(tmp_path / "others")
    waits = [{"job_id": "7", "type": "afterok"}]
    place = other.left(SCORE, "9", status="submitted", dependencies=waits)
    base.queue.live = ["9"]
    base.queue.comments = {"9": f"t9|{place}/job.sh|{place}"}
    assert base.clean_up().jobs == Cleaned(needed=1)
    assert folder.exists()


def test_a_workflow_stays_with_all_its_jobs_as_long_as_one_has_not_ended(base: Base) -> None:
    """Its jobs outlive it, and may read what the others have left."""
    flow = base.left(f"flow/{FIRST}", is_workflow=True)
    base.left(f"flow/{FIRST}/tasks/{TRAIN}", "8")
    base.left(f"flow/{FIRST}/tasks/{SCORE}", "9", status="submitted")
    base.queue.live = ["9"]
    assert base.clean_up().jobs == Cleaned(live=3)
    base.queue.live = []
    base.queue.accounts = {"9": "t9"}
    done = base.clean_up()
    assert (done.jobs.removed, done.receipts.removed) == (3, 6)
    assert not flow.exists()
    assert base.receipts() == set()


def test_a_workflow_of_whose_jobs_one_is_waited_for_stays(base: Base) -> None:
    base.left(f"flow/{FIRST}", is_workflow=True)
    base.left(f"flow/{FIRST}/tasks/{TRAIN}", "8")
    waits = [{"job_id": "8", "type": "afterok"}]
    base.left(SCORE, "9", status="submitted", dependencies=waits)
    base.queue.live = ["9"]
    assert base.clean_up().jobs == Cleaned(live=1, needed=2)


def test_the_jobs_of_an_array_of_workflows_are_looked_at(base: Base) -> None:
    ends = [{"items": "0", "status": "timeout"}]
    flow = base.left(f"flow/{FIRST}", count=1, is_workflow=True, ended=ends)
    (flow / "tasks/0").mkdir(parents=True)
    (flow / "tasks/0/metadata.json").write_text("{}")
    base.left(f"flow/{FIRST}/tasks/0/tasks/{TRAIN}", "8", status="running")
    base.all_old(flow)
    base.queue.live = ["8"]
    assert base.clean_up().jobs == Cleaned(live=2)
    base.queue.live = []
    base.queue.accounts = {"8": "t8"}
    assert base.clean_up().jobs.removed == 2


# --- what is not the SDK's -----------------------------------------------------------------------


def test_only_what_the_sdk_has_made_goes(base: Base, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    base.left(TRAIN).rename(precious)
    (base.path / "train").mkdir(exist_ok=True)
    (base.path / "train" / FIRST).symlink_to(precious)
    kept = base.left(f"train/{SECOND}", "8")
    kept.rename(base.path / "train/best")
    (base.path / "data/mine").mkdir(parents=True)
    damaged = base.left(f"score/{FIRST}", "9")
    (damaged / "metadata.json").write_text("{")
    inside = base.left(f"flow/{FIRST}", "10")  # a program of its own used it as its job_base_dir
    Base(inside / "tasks").left(SCORE, "11", status="running")
    for path in base.path.iterdir():
        base.all_old(path)
    done = base.clean_up()
    assert (done.jobs.removed, done.jobs.foreign, done.jobs.live) == (0, 5, 0)
    for path in (precious, base.path / "train/best", base.path / "data/mine", damaged):
        assert path.is_dir(), path


def test_a_directory_in_which_jobs_of_another_base_are_stays(base: Base) -> None:
    folder = base.left(TRAIN)
    Base(folder / "jobs").left(SCORE, "11", status="running")
    base.all_old(folder)
    assert base.clean_up().jobs == Cleaned(foreign=1)


def test_a_directory_of_a_task_that_is_a_link_is_left_alone(base: Base, tmp_path: Path) -> None:
    folder = base.left(TRAIN)
    folder.parent.rename(tmp_path / "elsewhere")
    (base.path / "train").symlink_to(tmp_path / "elsewhere")
    assert base.clean_up().jobs == Cleaned()
    assert (tmp_path / "elsewhere" / FIRST).is_dir()


def test_links_in_a_job_are_removed_and_not_followed(base: Base, tmp_path: Path) -> None:
    folder, precious = base.left(TRAIN), tmp_path / "precious"
    (precious / "data").mkdir(parents=True)
    (folder / "inputs").symlink_to(precious)
    (folder / "dangling").symlink_to(tmp_path / "nowhere")
    base.all_old(folder)
    assert base.clean_up().jobs.removed == 1
    assert (precious / "data").is_dir()


def test_a_base_that_is_a_link_is_cleaned_where_it_leads(base: Base, tmp_path: Path) -> None:
    folder = base.left(TRAIN)
    base.left(SCORE, "8")
    link = tmp_path / "link"
    link.symlink_to(base.path)
    base.receipt("t8", {"job_dir": str(link / SCORE), "job_id": "8"})
    base.receipt("job-8", {"job_dir": str(link / SCORE), "token": "t8"})
    done = base.backend.clean_up(str(link), older_than=DAY, dry_run=False)
    assert (done.jobs.removed, done.receipts.removed) == (2, 4)
    assert not folder.exists()


def test_a_base_that_nobody_has_used_is_empty(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    backend = InProcessBackend(Agent(Queue()))
    assert backend.clean_up(nowhere, older_than=0, dry_run=False) == CleanedUp(False)
    assert not Path(nowhere).exists()


# --- receipts, and what is no job's --------------------------------------------------------------


def test_receipts_without_a_directory_go_when_they_are_old(base: Base, tmp_path: Path) -> None:
    for number in ("7", "8", "9"):
        shutil.rmtree(base.left(f"train/{secrets.token_hex(4)}", number))
    base.receipt("t8", {"job_dir": str(base.path / "train/gone"), "job_id": "8"}, days=1)
    base.receipt("new", {"job_dir": str(base.path / "train/new"), "job_id": None}, days=0)
    base.receipt("damaged", {"job_dir": None})
    base.receipt("elsewhere", {"job_dir": "/nowhere/train/1", "job_id": "3"})
    half = base.path / ".receipts/.0123456789abcdef"
    half.write_bytes(b"{")
    base.old(half)
    base.queue.live = ["9"]
    base.queue.comments = {"9": "t9"}
    would = base.clean_up(dry_run=True)
    done = base.clean_up()
    assert done.receipts == would.receipts
    assert (done.receipts.removed, done.receipts.live) == (4, 2)
    assert base.receipts() == {"t8", "new", "damaged", "elsewhere", "t9", "job-9"}
    assert not half.exists()


def test_a_submission_that_may_yet_become_a_job_keeps_its_receipt(base: Base) -> None:
    base.left(SCORE, "8")
    receipt = {"job_dir": str(base.path / TRAIN), "job_id": None, "asked_at": time.time()}
    path = base.receipt("early", receipt, days=0)
    assert base.clean_up(0).receipts.recent == 1
    base.old(path, 0.1)
    assert base.clean_up(0).receipts.removed == 1


def test_a_young_receipt_of_an_old_job_goes_with_it(base: Base) -> None:
    base.left(TRAIN)
    base.receipt("t7", {"job_dir": str(base.path / TRAIN), "job_id": "7"}, days=1)
    would = base.clean_up(dry_run=True).receipts
    assert base.clean_up().receipts == would
    assert would == Cleaned(removed=2, freed=would.freed)


def test_a_receipt_that_leads_to_a_later_job_of_the_same_id_stays(base: Base) -> None:
    base.left(TRAIN)
    base.left(SCORE, "7", days=1, token="later")
    base.receipt("later", {"job_dir": str(base.path / SCORE), "job_id": "7"}, days=1)
    base.receipt("t7", {"job_dir": str(base.path / TRAIN), "job_id": "7"})
    assert base.clean_up().jobs.removed == 1
    assert base.receipts() == {"later", "job-7"}


def test_events_go_when_no_job_is_left_that_would_tell_there(base: Base) -> None:
    base.left(TRAIN, status="submitted")
    for name, days in (("me", 40.0), ("dead", 40.0), ("new", 1.0)):
        folder = base.path / ".events" / name
        folder.mkdir(parents=True, mode=0o700)
        (folder / "t7.1.ok").write_bytes(BLOCK)
        base.all_old(folder, days)
    base.queue.live = ["7"]
    would = base.clean_up(dry_run=True)
    done = base.clean_up()
    assert done.events == would.events
    assert (done.events.removed, done.events.live, done.events.recent) == (1, 1, 1)
    assert done.events.freed >= len(BLOCK)
    assert names(base.path / ".events") == {"me", "new"}


@pytest.mark.parametrize("folder", [".staged", ".packages/.staged"])
def test_large_files_that_no_job_has_taken_go_after_a_day(base: Base, folder: str) -> None:
    place = base.path / folder
    place.mkdir(parents=True, mode=0o700)
    for name, days in (("a" * 64, 1.1), ("b" * 64 + ".part", 0.9)):
        (place / name).write_bytes(BLOCK)
        base.old(place / name, days)
    assert base.clean_up(dry_run=True).staged.removed == 1
    done = base.clean_up()
    assert (done.staged.removed, done.staged.recent) == (1, 1)
    assert done.staged.freed >= len(BLOCK)
    assert names(place) == {"b" * 64 + ".part"}


def test_a_large_file_of_a_job_that_stays_frees_nothing(base: Base) -> None:
    folder = base.left(TRAIN, days=1)
    (base.path / ".staged").mkdir(mode=0o700)
    os.link(folder / "result.pkl", base.path / ".staged" / ("a" * 64))
    base.old(folder / "result.pkl", 2)
    assert base.clean_up().staged == Cleaned(removed=1)


def test_packages_and_the_sdk_go_as_gc_removes_them(base: Base) -> None:
    base.copy("mine-0123456789abcdef")
    base.package(".sdk/00112233445566aa", slurm_dot_py=BLOCK)
    young = base.package(".sdk/00112233445566bb", slurm_dot_py=BLOCK)
    os.utime(young)
    folder = base.left(TRAIN, status="submitted")
    (folder / "job.sh").write_text(f"{base.path}/.packages/source/mine-0123456789abcdef\n")
    base.queue.live = ["7"]
    done = base.clean_up()
    assert (done.sdk.removed, done.sdk.recent, done.packages.needed) == (1, 1, 1)
    assert done.sdk.freed >= len(BLOCK)
    base.queue.live = []
    base.queue.accounts = {"7": "t7"}
    base.all_old(folder)
    done = base.clean_up()
    assert (done.packages.removed, done.jobs.removed) == (2, 1)
    assert len(BLOCK) <= done.packages.freed < 2 * len(BLOCK)  # the file has two names
    assert done.freed == sum(one.freed for one in done.kinds.values())


# --- what happens at the same time ---------------------------------------------------------------


def submitted(base: Base, request: Any) -> Any:
    """Submit below the same base, to a scheduler of its own."""
    [answer] = disk.submit(disk.SchedulerOnDisk(base.path.parent / "queue"), base.path, request)
    return answer


def request(base: Base, place: str, token: str, **noted: Any) -> Any:
    made = disk.request_for(base.path, token=token)
    files = {**made.files, "metadata.json": json.dumps(noted).encode()}
    return made._replace(job_dir=str(base.path / place), files=files)


NEW = f"train/{SECOND}"


@pytest.mark.parametrize(
    ("place", "token", "noted"),
    [
        (NEW, "t7", {}),
        (NEW, "t9", {"dependencies": [{"job_id": "7_1", "type": "afterok"}]}),
        (f"{TRAIN}/tasks/{SCORE}", "t9", {}),
    ],
    ids=["submitted again", "waited for", "a job in it"],
)
def test_a_job_that_is_used_while_it_is_looked_at_stays(
    base: Base, place: str, token: str, noted: dict[str, Any]
) -> None:
    folder = base.left(TRAIN)
    answers: list[Any] = []
    base.queue.meanwhile = lambda: answers.append(
        submitted(base, request(base, place, token, **noted))
    )
    done = base.clean_up()
    assert done.jobs.removed == 0
    assert folder.is_dir()
    assert {"t7", "job-7"} <= base.receipts()
    [answer] = answers
    assert (answer.error, answer.reattached) == (None, token == "t7")


@pytest.mark.parametrize("what", ["directory", "receipt"])
def test_it_stays_too_where_that_was_after_it_was_judged(
    base: Base, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last look is in a moment in which nobody can submit."""
    folder = base.left(TRAIN)
    if what == "receipt":  # of a submission that was cut off, and whose files somebody has removed
        shutil.rmtree(folder)
        base.receipt("t7", {"job_dir": str(folder), "job_id": None, "asked_at": 0.0})
    moments: list[str] = []
    answers: list[Any] = []

    def alone(place: str) -> Any:
        moments.append(place)
        if len(moments) == 2:
            answers.append(submitted(base, request(base, NEW, "t7")))
        return needed.alone(place)

    for module in ("clean_up", "old_receipts"):
        monkeypatch.setattr(f"slurm.agent.{module}.alone", alone)
    done = base.clean_up()
    assert (done.jobs.removed, answers[0].reattached) == (0, what == "directory")
    assert "t7" in base.receipts()
    assert Path(answers[0].job_dir).is_dir()


def test_a_key_that_is_submitted_again_afterwards_is_a_new_job(base: Base) -> None:
    base.left(TRAIN)
    base.clean_up()
    answer = submitted(base, request(base, NEW, "t7"))
    assert (answer.reattached, answer.job_dir) == (False, str(base.path / NEW))


def test_two_at_the_same_time_remove_each_job_once(base: Base) -> None:
    for number in range(10):
        base.left(f"train/20250101_1015{number:02}_00c0ffee", str(100 + number))
    first, second = (CleanUp(str(base.path), base.queue, DAY, False) for _ in range(2))
    left = [first.steps(), second.steps()]
    while left:
        left = [steps for steps in left if next(steps, left) is not left]
    assert first.counts["jobs"].removed + second.counts["jobs"].removed == 10
    assert (first.problem, second.problem) == ("", "")
    assert "train" not in names(base.path)
    assert names(base.path / ".removed") == set()
    assert base.receipts() == set()


@pytest.mark.parametrize("fault", ["killed", "fails"])
def test_one_that_goes_wrong_anywhere_leaves_nothing_half_done(fault: str, tmp_path: Path) -> None:
    bases: list[Base] = []

    def begin() -> None:
        base = Base(tmp_path / f"jobs{len(bases)}")
        bases.append(base)
        base.left(f"flow/{FIRST}", "1", is_workflow=True)
        base.left(f"flow/{FIRST}/tasks/{TRAIN}", "2")
        base.receipt("t3", {"job_dir": str(base.path / SCORE), "job_id": "3"})

    def act() -> None:
        with contextlib.suppress(SlurmError):
            bases[-1].clean_up()

    nobody = disk.SchedulerOnDisk(tmp_path / "queue")
    for number in every_step(fault, nobody, begin, act):
        base, where = bases[-1], f"step {number}"
        flow = base.path / "flow" / FIRST
        if flow.exists():  # it is found again as a whole
            assert {path.name for path in flow.rglob("*.*")} >= {"result.pkl", "metadata.json"}
            assert len([*flow.rglob("result.pkl")]) == 2, where
        done = base.clean_up()
        assert (done.problem, flow.exists(), base.receipts()) == ("", False, set()), where
        if (base.path / ".removed").exists():
            assert names(base.path / ".removed") == set(), where


def test_while_jobs_are_submitted_all_the_time_it_is_said(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base.left(TRAIN)
    monkeypatch.setattr("slurm.agent.needed.WAIT", 0.02)
    held = needed.submitting(str(base.path / ".receipts"))
    with held, pytest.raises(RemoteFileError, match="try again later"):
        base.clean_up()
    assert folder.exists()


def test_without_a_scheduler_nothing_is_removed(base: Base) -> None:
    folder = base.left(TRAIN)
    base.queue.problem = "slurm_load_jobs error: Unable to contact slurm controller"
    for dry_run in (True, False):
        with pytest.raises(SchedulerUnreachable, match="Unable to contact"):
            base.clean_up(dry_run=dry_run)
    assert folder.exists()


# --- disks -------------------------------------------------------------------------------------


def test_directories_that_nobody_can_write_to_are_removed(base: Base) -> None:
    folder = base.left(TRAIN)
    (folder / "cache/deep").mkdir(parents=True)
    (folder / "cache/deep/file").write_bytes(BLOCK)
    base.all_old(folder)
    for path in (folder / "cache/deep", folder / "cache", folder):
        path.chmod(0o555)
    assert base.clean_up().jobs.removed == 1
    assert names(base.path / ".removed") == set()


def test_a_full_disk_has_things_removed_where_they_are(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base.left(TRAIN)

    def full(source: Any, target: Any, **more: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), source)

    monkeypatch.setattr(os, "rename", full)
    done = base.clean_up()
    assert (done.jobs.removed, done.receipts.removed, done.problem) == (1, 2, "")
    assert not folder.exists()
    assert base.receipts() == set()


def test_what_cannot_be_removed_is_told_and_left_for_the_next(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On NFS, a file that somebody has open gets another name, and goes when it is closed."""
    folder = base.left(TRAIN)
    (folder / "mine").mkdir()
    (folder / "mine/.nfs0001").write_bytes(BLOCK)
    base.all_old(folder)
    unlink, busy = os.unlink, ["open"]

    def unlinking(path: Any, **more: Any) -> None:
        if busy and str(path).endswith(".nfs0001"):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
        unlink(path, **more)

    monkeypatch.setattr(os, "unlink", unlinking)
    done = base.clean_up()
    assert done.jobs.removed == 1
    assert ".nfs0001" in done.problem
    [left] = (base.path / ".removed").iterdir()
    assert [path.relative_to(left).as_posix() for path in left.rglob("*")] == [
        "mine",
        "mine/.nfs0001",
    ]
    busy.clear()
    assert base.clean_up(dry_run=True).unfinished.removed == 1
    done = base.clean_up()
    assert (done.unfinished.removed, done.problem) == (1, "")
    assert names(base.path / ".removed") == set()


# --- what it costs ---------------------------------------------------------------------------------


def test_the_scheduler_is_asked_as_often_for_many_jobs_as_for_few(base: Base) -> None:
    for number in range(50):
        place = f"train/20250101_1015{number:02}_00c0ffee"
        base.left(place, str(100 + number), status="running", days=20)
        base.queue.accounts[str(100 + number)] = f"t{100 + number}"
    assert base.clean_up(DAY).jobs.removed == 50
    assert base.queue.asked == ["unended", "ended"]


def test_it_is_done_in_pieces_between_which_the_client_hears_of_it(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        base.left(f"train/20250101_10150{number}_00c0ffee", str(100 + number))
    monkeypatch.setattr("slurm.agent.clean_up_requests.PIECE", 0.0)
    heard: list[tuple[int, int]] = []
    base.backend.clean_up(
        str(base.path),
        older_than=DAY,
        dry_run=False,
        progress=lambda done, looked: heard.append((looked, done.jobs.removed)),
    )
    assert heard[-1] == (5, 5)
    assert {looked for looked, _ in heard} == {1, 2, 3, 4, 5}
    assert heard == sorted(heard)


def test_one_whose_agent_was_lost_goes_on_and_counts_what_was_removed_before(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        base.left(f"train/20250101_10150{number}_00c0ffee", str(100 + number))
    base.left(SCORE, "8", days=1)
    monkeypatch.setattr("slurm.agent.clean_up_requests.PIECE", 0.0)
    monkeypatch.setattr("slurm.agent.clean_up.MOST_TREES", 1)
    lost: list[Callable[[], None]] = [base.backend.agent.clean_ups.clear]

    def lose(done: CleanedUp, looked: int) -> None:
        if done.jobs.removed == 2 and lost:
            lost.pop()()

    done = base.backend.clean_up(str(base.path), older_than=DAY * 2, dry_run=False, progress=lose)
    assert not lost
    assert (done.jobs.removed, done.jobs.recent, done.receipts.removed) == (5, 1, 10)


def test_no_submission_looks_at_all_receipts(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted(base, request(base, TRAIN, "t1"))
    listed: list[str] = []
    for name in ("listdir", "scandir"):
        function = getattr(os, name)

        def noted(path: Any = ".", function: Any = function) -> Any:
            listed.append(str(path))
            return function(path)

        monkeypatch.setattr(os, name, noted)
    for token in ("t1", "t2"):
        answer = submitted(base, request(base, NEW, token))
        assert answer.error is None
    assert [path for path in listed if "/." in path] == []
