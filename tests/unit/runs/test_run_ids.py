"""Run ids: of no two runs of a project the same, however many begin them, and where."""

from __future__ import annotations

import concurrent.futures
import datetime
import os
import stat
from pathlib import Path

import pytest

from slurm.runs.manifest import NotWritten
from slurm.runs.moments import moment_of
from slurm.runs.run_ids import new_run_directory

MOMENT = moment_of("2026-02-18T16:00:45Z")
SECOND = datetime.timedelta(seconds=1)


def _ids(root: Path, *moments: datetime.datetime, iteration: str = "iter1") -> list[str]:
    (root / iteration).mkdir(exist_ok=True)
    return [new_run_directory(root / iteration, root, moment)[0] for moment in moments]


def test_the_runs_of_a_second_are_numbered(tmp_path: Path) -> None:
    assert _ids(tmp_path, MOMENT, MOMENT, MOMENT, MOMENT + SECOND) == [
        "20260218T160045Z",
        "20260218T160045Z-2",
        "20260218T160045Z-3",
        "20260218T160046Z",
    ]


def test_an_id_is_the_only_one_in_all_iterations(tmp_path: Path) -> None:
    assert _ids(tmp_path, MOMENT) == ["20260218T160045Z"]
    assert _ids(tmp_path, MOMENT, iteration="iter2") == ["20260218T160045Z-2"]


def test_a_clock_that_is_behind_gives_no_id_again(tmp_path: Path) -> None:
    assert _ids(tmp_path, MOMENT, MOMENT - SECOND, MOMENT) == [
        "20260218T160045Z",
        "20260218T160045Z-2",
        "20260218T160045Z-3",
    ]


def test_the_directory_is_there_and_private(tmp_path: Path) -> None:
    _, folder = new_run_directory(tmp_path, tmp_path, MOMENT)
    assert folder == tmp_path / "runs/20260218T160045Z"
    for private in (folder, folder.parent, tmp_path / ".slurm"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_a_group_that_shares_the_project_shares_its_runs(tmp_path: Path) -> None:
    tmp_path.chmod(0o2770)
    _, folder = new_run_directory(tmp_path, tmp_path, MOMENT)
    for shared in (folder, folder.parent, tmp_path / ".slurm"):
        assert shared.stat().st_mode & 0o777 == 0o770
    assert (tmp_path / ".slurm/last_run_id").stat().st_mode & 0o777 == 0o660


def test_git_is_told_to_leave_the_last_id_and_locks_alone(tmp_path: Path) -> None:
    (tmp_path / ".slurm").mkdir()  # as a policy makes it, before there is any run
    _ids(tmp_path, MOMENT)
    kept_out = tmp_path / ".slurm/.gitignore"
    assert {"/last_run_id", ".*.lock"} < {*kept_out.read_text().splitlines()}
    kept_out.unlink()  # somebody wants it otherwise
    _ids(tmp_path, MOMENT)
    assert not kept_out.exists()


def test_a_gitignore_that_is_there_stays(tmp_path: Path) -> None:
    kept_out = tmp_path / ".slurm/.gitignore"
    kept_out.parent.mkdir()
    kept_out.write_text("*\n")
    _ids(tmp_path, MOMENT)
    assert kept_out.read_text() == "*\n"


@pytest.mark.parametrize("content", [None, "", "?", "20260218T160045Z\n<<<<<<<"])
def test_without_the_list_no_directory_is_used_again(tmp_path: Path, content: str | None) -> None:
    assert _ids(tmp_path, MOMENT, MOMENT)[-1] == "20260218T160045Z-2"
    last = tmp_path / ".slurm/last_run_id"
    last.unlink() if content is None else last.write_text(content)
    assert _ids(tmp_path, MOMENT) == ["20260218T160045Z-3"]


def test_threads_that_begin_at_once_have_an_id_each(tmp_path: Path) -> None:
    with concurrent.futures.ThreadPoolExecutor(50) as threads:
        begun = [threads.submit(new_run_directory, tmp_path, tmp_path, MOMENT) for _ in range(50)]
        ids = {one.result()[0] for one in begun}
    assert ids == {"20260218T160045Z", *(f"20260218T160045Z-{n}" for n in range(2, 51))}


@pytest.mark.local
def test_processes_that_begin_at_once_have_an_id_each(tmp_path: Path) -> None:
    children = []
    for _ in range(8):
        child = os.fork()
        if not child:
            status = 1
            try:
                for _ in range(5):
                    new_run_directory(tmp_path, tmp_path, MOMENT)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
    assert len(list((tmp_path / "runs").iterdir())) == 40


def test_an_iteration_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(NotWritten) as caught:
        new_run_directory(tmp_path / "iter1", tmp_path, MOMENT)
    assert str(caught.value).startswith(f"{tmp_path}/iter1/runs: it is not there (")
