"""``slurm jobs rerun`` on this machine's own scheduler."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.job_tasks import add, fail_unless, read, unlucky

from slurm import ArrayJob, Cluster, Job, cli
from slurm.rendering import options_in


def rerun(capsys: pytest.CaptureFixture[str], base: Path, *words: str, status: int = 0) -> str:
    cluster = ["--backend", "local", "--job-base-dir", str(base)]
    assert cli.main(["jobs", "rerun", *words, *cluster]) == status
    said = capsys.readouterr()
    return said.err if status else said.out


def again(local: Cluster, out: str) -> Job[Any]:
    return local.get_job(out.split(maxsplit=1)[0])


def test_a_job_runs_again_with_other_options(
    local: Cluster, local_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = tmp_path / "mark"
    job = fail_unless.with_options(mem="600M", time="20")(str(mark))
    assert isinstance(job.exception(60), FileNotFoundError)
    mark.touch()
    job_again = again(
        local, rerun(capsys, local_base, job.id, "--mem=700M", "--cpus-per-task", "2")
    )
    assert (job_again.id != job.id, job_again.job_dir != job.job_dir) == (True, True)
    assert job_again.get_result(60) == "well"
    before, now = (options_in(Path(one.job_dir, "job.sh").read_text()) for one in (job, job_again))
    assert now == {
        **{name: value.replace(job.job_dir, job_again.job_dir) for name, value in before.items()},
        "mem": "700M",
        "cpus-per-task": "2",
    }
    third = again(local, rerun(capsys, local_base, job.id))
    assert third.id not in (job.id, job_again.id)
    assert third.get_result(60) == "well"


@pytest.mark.parametrize("pack", [1, 3])
def test_what_failed_of_an_array_becomes_an_array(
    pack: int, local: Cluster, local_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = tmp_path / "mark"
    items = [(number, str(mark)) for number in range(6)]
    array = unlucky.map(items, pack=pack)
    array.get_results(60, return_exceptions=True)
    mark.touch()
    out = rerun(capsys, local_base, array.id, "--time=7")
    new: ArrayJob[int] = local.get_array(out.split()[0])
    assert new.get_results(60) == [1, 3, 5]
    assert new.pack == pack
    assert options_in(Path(new.job_dir, "job.sh").read_text())["time"] == "7"
    out = rerun(capsys, local_base, f"{array.id}_1")
    assert local.get_array(out.split()[0]).get_results(60) == ([1] if pack == 1 else [3, 4, 5])
    well = rerun(capsys, local_base, new.id, status=2)
    assert f"all elements of array {new.id} (unlucky) ended well: name those to rerun" in well


def test_what_goes_on_is_refused(
    local: Cluster, local_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    job = read(str(fifo))
    said = rerun(capsys, local_base, job.id, status=2)
    assert said.startswith(f"slurm jobs rerun: job {job.id} (read) goes on: ")
    job.cancel()
    job.wait(60)
    second = again(local, rerun(capsys, local_base, job.id))
    said = rerun(capsys, local_base, job.id, status=2)
    assert f"is being rerun as job {second.id}, which goes on" in said
    second.cancel()
    assert second.wait(60)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--memm=1G"], "sbatch has no --memm"),
        (["-t", "5"], "'-t' is no option of sbatch: write them out"),
        (["--time=soon"], "option time='soon'"),
        (["--array=1-3"], "call task.map(items) instead"),
    ],
)
def test_a_wrong_option_is_one_line(
    words: list[str], said: str, local_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in rerun(capsys, local_base, "1", *words, status=2)


def test_a_job_whose_files_are_gone_is_one_line(
    local: Cluster, local_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = add(1, 2)
    assert job.get_result(60) == 3
    Path(job.job_dir, "payload.pkl").unlink()
    said = rerun(capsys, local_base, job.id, status=1)
    assert said.splitlines() == [
        f"slurm jobs rerun: what the job in {job.job_dir} was submitted with is not there any more"
    ]
