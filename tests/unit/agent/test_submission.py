"""Submission is at most once: whatever dies, a token never makes a second job, and no job is lost.

The scheduler is a fake (see `scheduler_on_disk`): it notes what it was asked for and runs nothing.
"""

from __future__ import annotations

import errno
import grp
import json
import os
import pwd
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.helpers import scheduler_on_disk as disk

from slurm.agent.agent import Agent
from slurm.agent.errors import AgentError
from slurm.agent.parallel import MOST_SBATCH
from slurm.api.requests import Archive, Submitted
from slurm.api.slurm_cli import InProcessBackend
from slurm.errors import RemoteFileError, SubmissionRefused

# --- one submission ------------------------------------------------------------------------------


def test_the_files_are_there_before_the_scheduler_is_asked(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    request = disk.request_for(base)
    [answer] = disk.submit(scheduler, base, request)
    assert answer == Submitted("101", request.job_dir, reattached=False)
    [call] = scheduler.submissions()
    assert call["there"] == ["job.sh", "metadata.json", "payload.pkl"]
    assert call["script"] == f"{request.job_dir}/job.sh"
    assert call["cwd"] == request.job_dir
    assert (call["options"], call["submit_options"]) == ({"mem": "1G"}, {"comment": "aa11"})


def test_files_arrive_whole_and_private(base: Path, scheduler: disk.SchedulerOnDisk) -> None:
    request = disk.request_for(base)
    disk.submit(scheduler, base, request)
    folder = Path(request.job_dir)
    assert (folder / "payload.pkl").read_bytes() == bytes(range(256))
    assert json.loads((folder / "metadata.json").read_text()) == {"job_id": "101"}
    for path in (base, folder.parent, folder, base / ".receipts", base / ".events"):
        assert path.stat().st_mode & 0o777 == 0o700, path
    assert (folder / "payload.pkl").stat().st_mode & 0o077 == 0


def test_the_same_token_is_the_same_job(base: Path, scheduler: disk.SchedulerOnDisk) -> None:
    [first] = disk.submit(scheduler, base, disk.request_for(base, "1"))
    [second] = disk.submit(scheduler, base, disk.request_for(base, "2"))
    assert second == Submitted("101", first.job_dir, reattached=True)
    assert len(scheduler.submissions()) == 1
    assert not (base / "train" / "2").exists()


def test_several_requests_are_answered_in_order(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    requests = [disk.request_for(base, name, f"t{name}") for name in "123"]
    answers = disk.submit(scheduler, base, *requests)
    assert [answer.job_dir for answer in answers] == [request.job_dir for request in requests]
    ids = {call["token"]: call["id"] for call in scheduler.submissions()}
    assert [answer.job_id for answer in answers] == [ids["t1"], ids["t2"], ids["t3"]]


class Crowd(disk.SchedulerOnDisk):
    """Answers when `several` submissions are being made at once, or after a while without that."""

    def __init__(self, path: Path, several: int) -> None:
        super().__init__(path)
        self.meeting = threading.Barrier(several)
        self.has_begun = False  # the first goes alone, to see whether the scheduler answers
        self.most = self.inside = 0
        self.counting = threading.Lock()

    def submit(self, **call: Any) -> str:
        with self.counting:
            self.inside += 1
            self.most = max(self.most, self.inside)
        if self.has_begun:
            self.meeting.wait(60)
        self.has_begun = True
        with self.counting:
            self.inside -= 1
        return super().submit(**call)


def test_a_few_requests_are_submitted_at_once_and_no_more(base: Path, tmp_path: Path) -> None:
    requests = [disk.request_for(base, str(number), f"t{number}") for number in range(13)]
    crowd = Crowd(tmp_path / "queue", MOST_SBATCH)
    answers = disk.submit(crowd, base, *requests)
    assert len({answer.job_id for answer in answers}) == 13
    assert crowd.most == MOST_SBATCH


def test_many_threads_with_one_token_make_one_job(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    answers: list[Submitted] = []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        answers.extend(disk.submit(scheduler, base, disk.request_for(base, str(number))))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(scheduler.submissions()) == 1
    assert len({(a.job_id, a.job_dir) for a in answers}) == 1
    assert sum(not a.reattached for a in answers) == 1


@pytest.mark.local
def test_many_processes_with_one_token_make_one_job(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    processes = [disk.in_another_process(base, disk.request_for(base, str(n))) for n in range(4)]
    assert {p.communicate(timeout=60)[0] for p in processes} == {"101\n"}
    assert len(scheduler.submissions()) == 1


def left_behind(base: Path) -> list[str]:
    files = [p.relative_to(base).as_posix() for p in base.rglob("*") if p.is_file()]
    return sorted(name for name in files if "/.lock-" not in f"/{name}")


# --- no --------------------------------------------------------------------------------------------


def test_a_refused_submission_leaves_nothing_behind(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    scheduler.answer = AgentError("refused", "sbatch: error: invalid partition")
    [answer] = disk.submit(scheduler, base, disk.request_for(base))
    assert isinstance(answer.error, SubmissionRefused)
    assert "invalid partition" in str(answer.error)
    assert left_behind(base) == []
    assert not (base / "train" / "1").exists()


def test_a_refused_token_may_be_used_again(base: Path, scheduler: disk.SchedulerOnDisk) -> None:
    scheduler.answer = AgentError("refused", "over quota")
    disk.submit(scheduler, base, disk.request_for(base, "1"))
    scheduler.answer = None
    [answer] = disk.submit(scheduler, base, disk.request_for(base, "2"))
    assert (answer.job_id, answer.reattached) == ("101", False)


def test_one_refusal_does_not_keep_the_others(base: Path, scheduler: disk.SchedulerOnDisk) -> None:
    real = scheduler.submit

    def refuse_second(**call: Any) -> str:
        if call["token"] == "t2":
            raise AgentError("refused", "no")
        return real(**call)

    scheduler.submit = refuse_second  # type: ignore[method-assign]
    answers = disk.submit(scheduler, base, *[disk.request_for(base, n, f"t{n}") for n in "123"])
    assert [answer.job_id != "" for answer in answers] == [True, False, True]
    assert isinstance(answers[1].error, SubmissionRefused)


def test_a_directory_that_cannot_be_made_is_a_file_error_and_no_submission(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    base.mkdir()
    (base / "train").write_text("a file in the way")
    [answer] = disk.submit(scheduler, base, disk.request_for(base))
    assert isinstance(answer.error, RemoteFileError)
    assert str(base / "train") in str(answer.error)
    assert scheduler.submissions() == []


@pytest.mark.parametrize("full", ["/payload.pkl", "/.receipts/"])
def test_a_full_disk_is_a_file_error_and_leaves_nothing(
    full: str, base: Path, scheduler: disk.SchedulerOnDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is a fake: a real one is full in tests/slurm/faults."""
    sync = os.fsync

    def fsync(handle: int) -> None:
        if full in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    request = disk.request_for(base)
    [answer] = disk.submit(scheduler, base, request)
    assert isinstance(answer.error, RemoteFileError)
    said = str(answer.error)
    assert said.startswith("nothing was submitted: No space left on device: /")
    assert full in said
    assert not Path(request.job_dir).exists()
    assert scheduler.submissions() == []
    monkeypatch.undo()
    [answer] = disk.submit(scheduler, base, request)
    assert answer.job_id == "101"


# --- the archive it needs --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "train", ".receipts", ".events", "sdk"])
def test_a_directory_in_which_others_could_change_a_job_is_refused(
    name: str, base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    disk.submit(scheduler, base, disk.request_for(base))
    (base / "sdk" / "abc").mkdir(mode=0o700, parents=True)
    (base / name).chmod(0o777)
    files, request = InProcessBackend(Agent(scheduler)), disk.request_for(base, "2", "t2")
    archive = Archive(f"{base}/sdk/abc")
    where: dict[str, Any] = {"base": str(base), "events": f"{base}/.events/me"}

    def refusal() -> Any:
        [answer] = files.submit_jobs([request], archive=archive, **where)
        raise answer.error  # type: ignore[misc]

    with pytest.raises(RemoteFileError, match=r"job_base_dir") as caught:
        refusal()
    assert str(base / name) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(scheduler.submissions()) == 1
    assert not Path(request.job_dir).exists() or not os.listdir(request.job_dir)


def test_nothing_is_written_into_a_base_of_others(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    base.mkdir()
    base.chmod(0o777)
    with pytest.raises(RemoteFileError, match="other users can write"):
        disk.submit(scheduler, base, disk.request_for(base))
    assert os.listdir(base) == []


def test_no_code_is_written_into_a_base_of_others(base: Path, agent: Agent) -> None:
    base.mkdir()
    base.chmod(0o777)
    place, store = f"{base}/.packages/source/mine-1", f"{base}/.packages/.contents"
    with pytest.raises(AgentError, match=f"other users can write to {base}, .* such as {base}/"):
        agent.call("copy", {"place": place, "store": store})
    assert os.listdir(base) == []


def test_a_base_may_be_a_link_to_a_directory_of_ones_own(
    base: Path, scheduler: disk.SchedulerOnDisk, tmp_path: Path
) -> None:
    (tmp_path / "scratch").mkdir(mode=0o700)
    base.symlink_to(tmp_path / "scratch")
    [answer] = disk.submit(scheduler, base, disk.request_for(base))
    assert answer.error is None


def test_a_group_of_one_is_nobody_else(base: Path, scheduler: disk.SchedulerOnDisk) -> None:
    """With the umask 002 of many systems, directories can be written to by the user's own group."""
    base.mkdir()
    base.chmod(0o775)
    user, group = pwd.getpwuid(os.getuid()), grp.getgrgid(os.getgid())
    alone = group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
    if alone:
        [answer] = disk.submit(scheduler, base, disk.request_for(base))
        assert answer.error is None
        return
    with pytest.raises(RemoteFileError, match="other users can write"):
        disk.submit(scheduler, base, disk.request_for(base))


def test_a_new_client_tidies_up_after_those_that_died_long_ago(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    disk.submit(scheduler, base, disk.request_for(base))
    abandoned(base, "old", 61)
    abandoned(base, "young", 59)
    disk.submit(scheduler, base, disk.request_for(base, "2", "t2"))
    assert (base / ".events" / "old").exists(), "a client that is known has other things to do"
    (base / ".events" / "me").rmdir()
    disk.submit(scheduler, base, disk.request_for(base, "3", "t3"))
    assert sorted(path.name for path in (base / ".events").iterdir()) == ["me", "young"]


def test_new_clients_look_at_what_dead_ones_have_left_once_an_hour(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    """What there is would be looked at for each of thousands of programs."""
    disk.submit(scheduler, base, disk.request_for(base))
    for token, hours, left in (("t2", 0, []), ("t3", 0.9, ["old"]), ("t4", 1.1, [])):
        (base / ".events" / "me").rmdir()
        abandoned(base, "old", 61)
        if token != "t2":
            then = time.time() - hours * 3600
            os.utime(base / ".events.swept", (then, then))
        disk.submit(scheduler, base, disk.request_for(base, token, token))
        assert [path.name for path in (base / ".events").iterdir() if path.name != "me"] == left


def abandoned(base: Path, name: str, days: float) -> None:
    """The event directory of a client that died so many days ago."""
    folder = base / ".events" / name
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "a.1.ok").touch()
    then = time.time() - days * 86400
    os.utime(folder, (then, then))


@pytest.mark.parametrize("what", ["the same again", "one that waits for it", "a job in it"])
def test_a_job_that_is_used_again_is_marked_as_used(
    base: Path, scheduler: disk.SchedulerOnDisk, what: str
) -> None:
    """Whoever cleans up at the same time leaves it alone; of a workflow's job, the workflow."""
    [first] = disk.submit(scheduler, base, disk.request_for(base))
    job_dir = base / "train" / "1"
    os.utime(job_dir, (0, 0))
    request = disk.request_for(base, "2", "t2")
    if what == "the same again":
        request = disk.request_for(base)
    elif what == "a job in it":
        request = request._replace(job_dir=f"{job_dir}/tasks/score/2")
    else:
        noted = json.dumps({"dependencies": [{"job_id": f"{first.job_id}_3", "type": "afterok"}]})
        request = request._replace(files={**request.files, "metadata.json": noted.encode()})
    disk.submit(scheduler, base, request)
    assert job_dir.stat().st_mtime > 1


@pytest.mark.local
def test_the_archive_is_sent_only_where_it_is_missing(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    from slurm.packaging.sdk_archive import archive_for

    installed: list[str] = []

    class Counting(Agent):
        def op_install(self, blob: bytes, directory: str) -> Any:
            installed.append(directory)
            return super().op_install(blob, directory)

    backend = InProcessBackend(Counting(scheduler))
    archive = archive_for(str(base))
    for number in "12":
        request = disk.request_for(base, number, f"t{number}")
        [answer] = backend.submit_jobs(
            [request], base=str(base), events=f"{base}/.events/me", archive=archive
        )
        assert answer.error is None
    assert installed == [archive.directory]
    assert Path(archive.directory, "slurm", "runner", "__init__.py").is_file()
    assert archive == Archive(archive.directory)
