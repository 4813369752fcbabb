"""``slurm jobs list`` on this machine's own scheduler."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.waiting import wait_until_ended
from tests.helpers.job_tasks import add, fail_without_stderr

from slurm import Cluster, cli


def run(capsys: pytest.CaptureFixture[str], base: Path, *options: str, status: int = 0) -> str:
    cluster = ["--backend", "local", "--job-base-dir", str(base)]
    assert cli.main(["jobs", "list", *options, *cluster]) == status
    said = capsys.readouterr()
    return said.err if status else said.out


def listed(capsys: pytest.CaptureFixture[str], base: Path, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(capsys, base, "--json", *options))["jobs"]
    return found


def test_jobs_and_arrays_are_listed(
    local: Cluster, local_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = add.submit(key="list me")(1, 2)
    bad = fail_without_stderr("other")
    array = add.map([(1, 2), (3, 4)])
    assert (job.get_result(60), array.get_results(60)) == (3, [3, 7])
    assert isinstance(bad.exception(60), ValueError)
    wait_until_ended(local, [job, bad, *array])
    found = {one["job_id"]: one for one in listed(capsys, local_base)}
    assert list(found).index(job.id) < list(found).index(f"{array.id}_[0-1]")
    mine = found[job.id]
    assert (mine["state"], mine["task"], mine["ours"]) == ("COMPLETED", "add", True)
    assert mine["directory"] == job.job_dir
    assert mine["submitted"] <= mine["started"] <= mine["ended"]
    assert found[f"{array.id}_[0-1]"]["states"] == {"COMPLETED": 2}
    each = [one["job_id"] for one in listed(capsys, local_base, "--elements", "--task", "add")]
    assert {array[0].id, array[1].id} <= set(each)
    failed = [one["job_id"] for one in listed(capsys, local_base, "--state", "failed")]
    assert bad.id in failed
    assert job.id not in failed
    assert [one["job_id"] for one in listed(capsys, local_base, "--key", "list me")] == [job.id]
    assert len(listed(capsys, local_base, "--limit", "1")) == 1
    lines = run(capsys, local_base, "--key", "list me").splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["JOB", "NAME", "STATE"],
        [job.id, "add", "COMPLETED"],
    ]


def test_what_is_wrong_is_one_line(local_base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(capsys, local_base, "--state", "runing", status=2)
    assert said.startswith("slurm jobs list: there is no state 'runing' (did you mean 'RUNNING'?)")
    assert "is no age" in run(capsys, local_base, "--since", "soon", status=2)


def test_no_jobs_are_no_table(
    local: Cluster, local_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, local_base, "--name", "nobody has this") == ""


@pytest.mark.parametrize("option", ["--name", "--task", "--key", "--state"])
def test_an_empty_pattern_cancels_nothing(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where a variable is not set."""
    where = ["--backend", "local", "--job-base-dir", str(tmp_path / "jobs")]
    assert cli.main(["jobs", "cancel", option, "", "--ours", "--yes", *where]) == 2
    assert "must not be empty" in capsys.readouterr().err
    assert not (tmp_path / "jobs").exists()


@pytest.mark.parametrize(
    "words",
    [
        "jobs list",
        "jobs show 5",
        "jobs logs 5",
        "jobs wait 5",
        "jobs cancel 5",
        "jobs efficiency 5",
        "cluster queue",
        "cluster info",
        "packages list",
        "clean --dry-run",
        pytest.param("doctor", marks=pytest.mark.local),
    ],
)
def test_reading_makes_no_directory(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nobody has submitted anything, there is nothing to be looked at, and nobody to be asked."""
    where = ["--backend", "local", "--job-base-dir", str(tmp_path / "jobs")]
    assert cli.main([*words.split(), *where]) in (0, 2)
    assert not (tmp_path / "jobs").exists()
