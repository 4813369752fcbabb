"""All jobs in one request, against fake programs and directories of jobs on this disk."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import NO_ACCOUNTING, Programs

from slurm.agent.tables import APART, LISTED, LISTED_ACCOUNTS
from slurm.api.slurm_cli import SlurmCliBackend
from slurm.errors import SchedulerUnreachable

NAME = "20260218_160045_0a1b2c3d"


def line(fields: Any, *more: str, **said: str) -> str:
    return APART.join([*(said.get(name, "0") for name, _ in fields), *more]) + "\n"


def write(
    base: Path, name: str = f"train/{NAME}", file: str = "metadata.json", **content: Any
) -> Path:
    folder = base / name
    folder.mkdir(parents=True)
    about = {
        "pre_submission_id": folder.name,
        "task_name": "train",
        "job_id": "12",
        "status": "running",
        "error": "x",
    }
    (folder / file).write_text(json.dumps({**about, **content}))
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "jobs"
    folder.mkdir()
    return folder


def test_it_is_one_question_to_each(
    slurm: SlurmCliBackend, programs: Programs, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (programs.folder / "queue").write_text(
        line(LISTED, job_id="12", state="RUNNING", name="a|b", comment="x|y")
        + "a site's own words\n"
    )
    accounts = line(LISTED_ACCOUNTS, "a comment", "sbatch job.sh", job_id="7", state="FAILED")
    (programs.folder / "accounts").write_text(accounts)
    for number in range(30):
        write(base, f"train/{NAME[:-2]}{number:02}", job_id=str(number))
    asked, ops = slurm.request, []

    def counted(op: str, params: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        ops.append(op)
        return asked(op, params, blob)

    monkeypatch.setattr(slurm, "request", counted)
    found = slurm.list_jobs(str(base), since=0.0)
    assert ops == ["jobs"]
    assert (len(programs.calls("squeue")), len(programs.calls("sacct"))) == (1, 1)
    assert [(one["job_id"], one["name"], one["comment"]) for one in found.queue] == [
        ("12", "a|b", "x|y")
    ]
    assert found.accounts is not None
    assert [(one["job_id"], one["script"]) for one in found.accounts] == [("7", "sbatch job.sh")]
    assert sorted(int(one["ids"][0]) for one in found.noted) == list(range(30))
    assert "error" not in found.noted[0]


def test_accounts_of_an_old_slurm_have_no_command_lines(
    slurm: SlurmCliBackend, programs: Programs, base: Path
) -> None:
    rows = line(LISTED_ACCOUNTS, "t1", job_id="7", state="FAILED")
    (programs.folder / "accounts").write_text(rows)
    programs.add(
        "sacct",
        'case "$*" in *SubmitLine*) echo "sacct: error: Invalid field requested" >&2; exit 1;; esac; cat $HERE/accounts',
    )
    found = slurm.list_jobs(str(base), since=0.0)
    assert found.accounts is not None
    assert [(one["job_id"], one["comment"]) for one in found.accounts] == [("7", "t1")]
    slurm.list_jobs(str(base), since=0.0)
    assert len(programs.calls("sacct")) == 3


def test_without_accounts_the_items_of_arrays_are_told(
    slurm: SlurmCliBackend, programs: Programs, base: Path
) -> None:
    programs.add("sacct", NO_ACCOUNTING)
    folder = write(
        base, file="array_metadata.json", count=3, pack=1, max_array_size=1001, is_workflow=False
    )
    for item, status in enumerate(["completed", "failed"]):
        write(folder / "tasks", f"{item:03}", status=status)
    slurm.list_jobs(str(base), since=0.0)
    found = slurm.list_jobs(str(base), since=0.0)
    assert (found.accounts, found.problem) == (None, "")
    [array] = found.noted
    assert array["items"] == {"completed": [0], "failed": [1]}
    assert len(programs.calls("sacct")) == 1


def test_accounts_that_are_away_are_a_problem_that_is_told(
    slurm: SlurmCliBackend, programs: Programs, base: Path
) -> None:
    programs.add("sacct", "echo 'sacct: error: Problem talking to the database' >&2; exit 1")
    found = slurm.list_jobs(str(base), since=0.0)
    assert (found.accounts, found.problem) == (
        None,
        "sacct: error: Problem talking to the database",
    )


def test_a_queue_that_is_away_is_an_error(
    slurm: SlurmCliBackend, programs: Programs, base: Path
) -> None:
    programs.add(
        "squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1"
    )
    with pytest.raises(SchedulerUnreachable, match="Unable to contact"):
        slurm.list_jobs(str(base), since=0.0)


def test_old_directories_are_told_of_jobs_that_are_in_the_queue(
    slurm: SlurmCliBackend, programs: Programs, base: Path
) -> None:
    live, other = write(base, job_id="12"), write(base, f"train/{NAME[:-1]}e", job_id="11")
    for folder in (live, other):
        os.utime(folder, (1000.0, 1000.0))
    (programs.folder / "queue").write_text(
        line(LISTED, job_id="12", state="RUNNING", script=f"{live}/job.sh")
    )
    since = time.time() - 3600
    assert [one["path"] for one in slurm.list_jobs(str(base), since=since).noted] == [str(live)]


def test_a_workflow_brings_its_jobs_and_damage_hides_nothing(
    slurm: SlurmCliBackend, base: Path
) -> None:
    workflow = write(base, is_workflow=True)
    child = write(workflow / "tasks", f"fit/{NAME[:-1]}e", job_id="13")
    mapped = write(
        workflow / "tasks",
        f"fit/{NAME[:-1]}f",
        "array_metadata.json",
        job_id="14",
        job_id_1="15",
        count=2,
    )
    write(base, f"train/{NAME[:-1]}0")
    (base / "train" / f"{NAME[:-1]}0" / "metadata.json").write_text("{")
    (base / "train" / "a file").write_text("")
    found = {one["path"]: one["ids"] for one in slurm.list_jobs(str(base), since=0.0).noted}
    assert found == {str(workflow): ["12"], str(child): ["13"], str(mapped): ["14", "15"]}


def test_a_base_that_is_not_there_yet_has_no_jobs(slurm: SlurmCliBackend, base: Path) -> None:
    assert slurm.list_jobs(str(base / "nowhere"), since=0.0).noted == []
