"""What lies on a cluster for jobs to run with: what it takes, who uses it, and what is removed."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.old_base import BLOCK, Base, Queue
from tests.helpers.recorded import RecordFile

from slurm.agent.agent import Agent
from slurm.agent.needed import submitting
from slurm.api.slurm_cli import InProcessBackend
from slurm.api.stored_packages import RemovedPackages
from slurm.errors import RemoteFileError, SchedulerUnreachable


@pytest.fixture
def base(tmp_path: Path) -> Base:
    return Base(tmp_path / "jobs")


CODE, OTHER = "mine-0123456789abcdef", "mine-fedcba9876543210"
KEY, IMAGE = "00112233445566aa", "99887766554433bb"


# --- what there is ---------------------------------------------------------------------------------


def test_everything_that_is_known_is_listed_with_what_it_takes(base: Base) -> None:
    base.copy(CODE)
    base.copy(OTHER)
    base.environment(KEY)
    base.package(f".packages/wheels/{KEY}", numpy_dot_whl=BLOCK)
    base.package(f".packages/{IMAGE}", image_dot_sif=BLOCK)
    base.package(f".packages/{KEY}", mine_dot_whl=BLOCK)
    sdk = base.package(f".sdk/{KEY}") / "slurm"
    sdk.mkdir()
    (sdk / "_version.py").write_text('__version__ = "9.8.7"\n')
    about = {"project": "mine", "revision": "4f5e6d7c", "dirty": True}
    path = str(base.path / ".packages/source" / CODE)
    base.job("train/1", job_id="7", status="completed", code=[{"copy": path, **about}])
    image = "docker://python:3.12"
    base.job("train/2", job_id="8", status="failed", image={"name": image})
    found = base.listed()
    kinds = {name: one.kind for name, one in found.items()}
    assert kinds == {
        f".packages/source/{CODE}": "source",
        f".packages/source/{OTHER}": "source",
        f".packages/env/{KEY}": "environment",
        f".packages/wheels/{KEY}": "wheels",
        f".packages/{IMAGE}": "image",
        f".packages/{KEY}": "wheel",
        f".sdk/{KEY}": "SDK",
        ".packages/contents": "contents",
    }
    assert found[f".packages/source/{CODE}"].about == about
    assert found[f".packages/source/{OTHER}"].about == {"project": "mine"}
    assert found[f".packages/env/{KEY}"].about == {"origin": "/home/me/mine/uv.lock"}
    assert found[f".packages/wheels/{KEY}"].about == {"files": ["numpy.whl"]}
    assert found[f".sdk/{KEY}"].about == {"version": "9.8.7"}
    assert found[".packages/contents"].about == {"count": 1}
    assert all(one.jobs == 0 for name, one in found.items() if "contents" not in name)


def test_a_file_with_several_names_counts_once(base: Base) -> None:
    base.copy(CODE)
    alone = base.backend.list_packages(str(base.path)).size
    base.copy(OTHER)
    both = base.backend.list_packages(str(base.path))
    sizes = [one.size for one in both.packages]
    assert min(sizes) >= len(BLOCK)
    assert alone <= both.size < alone + len(BLOCK)
    assert sum(sizes) > both.size


def test_jobs_that_have_not_ended_count_by_what_their_scripts_name(base: Base) -> None:
    base.copy(CODE)
    base.environment(KEY)
    base.package(f".packages/{IMAGE}", image_dot_sif=BLOCK)
    packages = base.path / ".packages"
    code = f"[ -d '{packages}/source/{CODE}' ] || exit 1\n"
    env = f"[ -e {packages}/env/{KEY}/.ready ] || exit 1\n"
    base.job("train/1", code + env, job_id="7")
    base.job("train/2", code, job_id="8", status="running")
    base.job("train/3", code, job_id="9", status="completed")
    base.job("flow/1/tasks/train/1", f"exec 9> {packages}/{IMAGE}/.lock\n", job_id="10")
    base.queue.live = ["7", "8", "10"]
    found = {name.rpartition("/")[2]: one.jobs for name, one in base.listed().items()}
    assert (found[CODE], found[KEY], found[IMAGE]) == (2, 1, 1)


def test_a_list_without_a_scheduler_says_that_it_does_not_know(base: Base) -> None:
    base.copy(CODE)
    base.queue.problem = "slurm_load_jobs error"
    found = base.backend.list_packages(str(base.path))
    assert found.problem == "slurm_load_jobs error"
    assert {one.jobs for one in found.packages} == {None}


def test_links_and_names_nobody_knows_are_no_packages(base: Base, tmp_path: Path) -> None:
    base.copy(CODE)
    precious = tmp_path / "precious"
    precious.mkdir()
    base.old(precious)
    (base.path / ".packages/source" / OTHER).symlink_to(precious)
    base.package(".packages/source/notes")
    base.package(".packages/my-own")
    assert base.removed() == ["contents", CODE]
    assert precious.is_dir()
    assert {path.name for path in (base.path / ".packages/source").iterdir()} == {OTHER, "notes"}


@pytest.mark.parametrize("link", [".packages", ".packages/source"])
def test_a_directory_that_is_a_link_is_refused(base: Base, tmp_path: Path, link: str) -> None:
    code = base.copy(CODE)
    (base.path / link).rename(tmp_path / "elsewhere")
    (base.path / link).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RemoteFileError, match=f"{link} is not a directory of yours"):
        base.gc(0)
    assert code.is_dir()


# --- what is removed -------------------------------------------------------------------------------


def test_what_is_old_and_unused_is_removed_with_its_contents(base: Base) -> None:
    code, env = base.copy(CODE), base.environment(KEY)
    young = base.copy(OTHER, "b" * 64)
    os.utime(young)
    wanted = base.gc(dry_run=True)
    assert code.exists()
    assert env.exists()
    done = base.gc()
    assert [one.name for one in done.removed] == [one.name for one in wanted.removed]
    assert {os.path.basename(one.name) for one in done.removed} == {CODE, KEY, "contents"}
    assert done.freed == wanted.freed >= 2 * len(BLOCK)
    assert (done.recent, done.used) == (1, 0)
    assert not code.exists()
    assert not env.exists()
    assert (env.parent / f"{KEY}.lock").exists()  # whoever waits for it holds this very file
    assert [path.name for path in (base.path / ".packages/contents").iterdir()] == ["b" * 64]


def test_contents_that_another_copy_has_stay(base: Base) -> None:
    base.copy(CODE)
    os.utime(base.copy(OTHER))
    assert base.gc(dry_run=True).freed < len(BLOCK)
    done = base.gc()
    assert [one.kind for one in done.removed] == ["source"]
    assert done.freed < len(BLOCK)


@pytest.mark.parametrize("where", ["script", "metadata", "workflow"])
def test_what_a_job_uses_that_has_not_ended_stays(base: Base, where: str) -> None:
    code = base.copy(CODE)
    script = f"[ -d {code} ] || exit 1\n" if where != "metadata" else ""
    noted: dict[str, Any] = {"code": [{"copy": str(code)}]} if where == "metadata" else {}
    name = "flow/1/tasks/train/1" if where == "workflow" else "train/1"
    base.job(name, script, job_id="7", **noted)
    base.queue.live = ["7"]
    done = base.gc(0)
    assert (done.removed, done.used) == ((), 1)
    base.queue.live = []
    base.queue.accounts = {"7": name}
    assert CODE in base.removed(older_than=0)


def test_a_job_that_was_put_into_the_queue_again_has_not_ended(base: Base) -> None:
    code = base.copy(CODE)
    base.job("train/1", f"[ -d {code} ]\n", job_id="7", status="failed")
    base.queue.live = ["7"]
    assert base.removed(older_than=0) == []


def test_an_array_has_ended_when_its_items_have(base: Base) -> None:
    code = base.copy(CODE)
    array = base.job("train/1", f"[ -d {code} ]\n", job_id="7", count=3)
    for name, status in (("0", "completed"), ("1", "running")):
        base.job(f"train/1/tasks/{name}", job_id=f"7_{name}", status=status)
    base.queue.live = ["7_[1-2]"]
    assert base.removed(older_than=0) == []
    base.queue.live = []
    assert base.removed(older_than=0) == []  # nobody knows how 1 and 2 ended
    noted = array / "array_metadata.json"
    older = {**json.loads(noted.read_text()), "ended": [{"items": "1", "status": "cancelled"}]}
    noted.write_text(json.dumps(older))
    assert base.removed(older_than=0) == []
    (array / "ended.jsonl").write_text('{"items": "2", "status": "cancelled"}\n')
    assert CODE in base.removed(older_than=0)


def test_a_packed_array_has_ended_when_its_records_say_so(base: Base) -> None:
    code = base.copy(CODE)
    array = base.job("train/1", f"[ -d {code} ]\n", job_id="7", count=3, pack=2)
    first, second = RecordFile("7_0").value(0, "a").error(1, ValueError()), RecordFile("7_1")
    (array / "records").mkdir()
    for file in (first, second):
        (array / "records" / file.name).write_bytes(file.content)
    assert base.removed(older_than=0) == []
    (array / "records" / second.name).write_bytes(second.value(2, "c").content)
    assert CODE in base.removed(older_than=0)


def test_a_job_that_no_scheduler_here_knows_keeps_its_code_for_a_month(base: Base) -> None:
    code = base.copy(CODE)
    base.job("train/1", f"[ -d {code} ]\n", job_id="7", age=29)
    base.queue.accounts = {"7": "another job's token"}  # of another cluster with the same home
    assert base.removed() == []
    base.old(base.path / "train/1/metadata.json", 31)
    assert CODE in base.removed()


def test_a_job_whose_id_is_on_its_way_has_not_ended(base: Base) -> None:
    code = base.copy(CODE)
    base.job("train/1", f"[ -d {code} ]\n", age=0, job_id=None)
    assert base.removed(older_than=0) == []
    base.old(base.path / "train/1/metadata.json", 0.1)  # two hours: sbatch was never asked
    assert CODE in base.removed(older_than=0)


@pytest.mark.parametrize("known_by", ["token", "script"])
def test_a_job_that_waits_and_whose_id_nobody_could_note_keeps_its_code(
    base: Base, known_by: str
) -> None:
    """Whoever submitted it was killed when sbatch had answered; a site may write comments of its own."""
    code = base.copy(CODE)
    folder = base.job("train/1", f"[ -d {code} ]\n", age=3, job_id=None, token="c0ffee01")
    base.queue.live = ["7"]
    script = f"the site's|{folder}/job.sh|{folder}"
    base.queue.comments = {"7": "c0ffee01 mine||" if known_by == "token" else script}
    assert base.removed(older_than=0) == []
    base.queue.live = []
    assert CODE in base.removed(older_than=0)


def test_a_job_of_another_base_runs_with_what_is_there(base: Base, tmp_path: Path) -> None:
    """The same code has the same name in each."""
    base.copy(CODE)
    other = Base(tmp_path / "others")
    folder = other.job("train/1", f"[ -d {other.path}/.packages/source/{CODE} ]\n", job_id="7")
    base.queue.live = ["7"]
    base.queue.comments = {"7": f"|{folder}/job.sh|{folder}"}
    assert CODE in base.removed(older_than=0)


def test_a_job_whose_directory_was_removed_needs_nothing(base: Base) -> None:
    code = base.copy(CODE)
    folder = base.job("train/1", f"[ -d {code} ]\n", job_id="7")
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    base.queue.live = ["7"]
    assert CODE in base.removed()


def test_without_a_scheduler_nothing_is_removed(base: Base) -> None:
    code = base.copy(CODE)
    base.queue.problem = "slurm_load_jobs error: Unable to contact slurm controller"
    with pytest.raises(SchedulerUnreachable, match="Unable to contact"):
        base.gc()
    assert code.exists()


def test_jobs_that_cannot_be_looked_at_keep_everything(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = base.copy(CODE)
    train = base.job("train/1", job_id="7").parent
    listdir = os.listdir

    def broken(path: Any) -> list[str]:
        if str(path) == str(train):
            raise OSError(5, "Input/output error", path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", broken)
    with pytest.raises(RemoteFileError, match="nobody can tell which jobs have not ended"):
        base.gc()
    assert code.exists()


def test_nothing_that_was_used_in_the_last_minute_is_removed(base: Base) -> None:
    os.utime(base.copy(CODE))
    done = base.gc(0)
    assert (done.removed, done.recent) == ((), 1)


def test_what_is_used_while_the_scheduler_is_asked_stays(base: Base) -> None:
    code = base.copy(CODE)
    base.queue.meanwhile = lambda: os.utime(code)
    assert base.removed(older_than=0) == []
    assert code.exists()


def test_an_environment_that_is_being_made_and_all_wheels_stay(base: Base) -> None:
    env = base.environment(KEY)
    base.package(f".packages/wheels/{KEY}", numpy_dot_whl=BLOCK)
    with (env.parent / f"{KEY}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert base.removed() == []
    assert base.removed() == [KEY, KEY]


def test_while_jobs_are_submitted_all_the_time_it_is_said(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = base.copy(CODE)
    (base.path / ".receipts").mkdir(mode=0o700)
    monkeypatch.setattr("slurm.agent.needed.WAIT", 0.02)
    held = submitting(str(base.path / ".receipts"))
    with held, pytest.raises(RemoteFileError, match="try again later"):
        base.gc()
    assert code.exists()


def test_a_directory_that_nobody_can_write_to_is_removed(base: Base) -> None:
    image = base.package(f".packages/{IMAGE}")
    inside = image / "image" / "usr"
    inside.mkdir(parents=True)
    (inside / "python3").write_bytes(BLOCK)
    inside.chmod(0o555)
    inside.parent.chmod(0o555)
    for path in (image / "image", image):
        base.old(path)
    assert base.removed() == [IMAGE]
    assert not image.exists()


def test_what_a_killed_one_has_left_is_removed_by_the_next(base: Base) -> None:
    base.copy(CODE)
    left = base.package(".packages/source/.removed-0123456789abcdef")
    base.gc(dry_run=True)
    assert left.exists()
    base.gc()
    assert not left.exists()


def test_a_base_that_nobody_has_used_is_empty(tmp_path: Path) -> None:
    backend = InProcessBackend(Agent(Queue()))
    nowhere = str(tmp_path / "nowhere")
    assert backend.list_packages(nowhere).packages == ()
    assert backend.remove_packages(nowhere, older_than=0) == RemovedPackages((), 0)
    assert not Path(nowhere).exists()


def test_an_environment_below_that_of_a_waiting_job_stays(base: Base) -> None:
    """A wheel's environment is on top of one with what the wheel requires, which no job script names."""
    below, top, other = (base.environment(letter * 16) for letter in "abc")
    os.symlink(below, top / "below")
    base.old(top / ".ready")
    base.job("train/1", f"exec {top}/bin/python", job_id="7")
    base.queue.live = ["7"]
    assert base.removed() == ["c" * 16]
    assert base.listed()[f".packages/env/{'a' * 16}"].jobs == 1
    assert not other.exists()


def test_an_image_that_was_copied_stays_as_long_as_a_job_names_it(base: Base) -> None:
    used, unused = (f"train-{letter * 16}-image-tar" for letter in "de")
    for name in (used, unused, "notes"):
        base.old(base.package(f".packages/images/{name}", image_dot_tar=BLOCK))
        base.old(base.path / ".packages/images" / name / "image.tar")
        base.old(base.path / ".packages/images" / name)
    base.job("train/1", f"podman load -i {base.path}/.packages/images/{used}/image.tar", job_id="7")
    base.queue.live = ["7"]
    assert base.listed()[f".packages/images/{used}"].kind == "image"
    assert base.removed() == [unused]
    assert (base.path / ".packages/images/notes").exists()


def test_what_somebody_was_making_who_was_killed_is_removed_when_it_is_old(base: Base) -> None:
    name, recent = ".d281ab8bd00aad65", ".0123456789abcdef"
    copy = base.package(f".packages/source/{name}", half_dot_py=BLOCK)
    base.package(".packages/contents")
    content, sent = (base.path / ".packages/contents" / one for one in (name, recent))
    for path in (content, sent):
        path.write_bytes(BLOCK)
    base.old(content)
    base.gc(dry_run=True)
    assert copy.exists()
    base.gc()
    assert (copy.exists(), content.exists(), sent.exists()) == (False, False, True)
