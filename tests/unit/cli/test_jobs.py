"""``slurm jobs show``: all that is known of a job. The scheduler is this machine's own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.waiting import wait_until_ended
from tests.helpers.job_tasks import add, fail_without_stderr, without_context

from slurm import Cluster, cli
from slurm.cli.jobs.report import Seen, as_json, lines
from slurm.job_dir.paths import receipt_of_job
from slurm.results.efficiency import Efficiency

PLACE = "/jobs/.packages/source/mine-0123456789abcdef"
SCRIPT = """#!/bin/bash
#SBATCH --mem=2G
#SBATCH --error=/jobs/train/1/slurm_%j.err
#SBATCH --output=/logs/%j.out
#SBATCH --requeue

export JOB_DIR=/jobs/train/1
exec /jobs/.packages/env/00112233445566aa/bin/python -u /jobs/.sdk/0a1b "$JOB_DIR"
"""
METADATA: dict[str, Any] = {
    "task_name": "train",
    "status": "failed",
    "timestamp": "2026-02-18T16:00:45.000000+00:00",
    "started_at": "2026-02-18T16:01:45.000000+00:00",
    "completed_at": "2026-02-18T16:02:45.000000+00:00",
    "dependencies": [{"job_id": "12", "type": "afterok"}],
    "packaging": "source",
    "code": [{"copy": PLACE, "project": "mine", "revision": "4f5e6d7c8b9a0f1e", "dirty": True}],
    "error": "ValueError: no data",
    "node": "c1",
}


def show(
    capsys: pytest.CaptureFixture[str], base: Path, job: str, *options: str, status: int = 0
) -> str:
    cluster = ["--backend", "local", "--job-base-dir", str(base)]
    assert cli.main(["jobs", "show", job, *options, *cluster]) == status
    said = capsys.readouterr()
    return said.err if status else said.out


def test_a_job_is_told_with_the_code_that_it_runs() -> None:
    seen = Seen("13", "/jobs/train/1", METADATA, SCRIPT, state="FAILED", exit_code="1:0")
    told = list(lines(seen))
    assert ("job", "13 train") in told
    assert ("state", "FAILED exit code 1:0 on c1") in told
    assert ("options", "--mem=2G --output=/logs/%j.out --requeue") in told
    assert ("waits for", "afterok of 12") in told
    assert ("packaging", "source") in told
    assert ("code", "mine at 4f5e6d7c8b9a with uncommitted changes") in told
    assert ("", PLACE) in told
    assert ("environment", "/jobs/.packages/env/00112233445566aa") in told
    assert ("error", "ValueError: no data") in told
    said = as_json(seen)
    assert said["code"] == METADATA["code"]
    assert (said["submitted"], said["ended"]) == (METADATA["timestamp"], METADATA["completed_at"])


def test_a_container_is_told_by_its_image() -> None:
    image = {"name": "docker://python:3.12", "runtime": "podman", "digest": "sha256:0a"}
    told = dict(lines(Seen("13", "/jobs/train/1", {**METADATA, "image": image})))
    assert told["image"] == "docker://python:3.12 sha256:0a podman"


def test_an_array_is_told_by_how_many_are_in_which_state() -> None:
    states = {"COMPLETED": 7, "FAILED": 2, "RUNNING": 1}
    seen = Seen("13", "/jobs/train/1", METADATA, state="RUNNING", count=10, states=states)
    told = dict(lines(seen))
    assert told["array"] == "13 train"
    assert told["elements"] == "10: 7 COMPLETED, 2 FAILED, 1 RUNNING"
    assert as_json(seen)["elements"] == {"count": 10, "states": states}


def test_a_job_that_waits_says_why_and_when_it_may_start() -> None:
    seen = Seen(
        "13",
        "/jobs/train/1",
        {},
        state="PENDING",
        reason="Resources",
        may_start="2026-02-18T17:00:00+00:00",
    )
    told = dict(lines(seen))
    assert told["state"] == "PENDING (Resources)"
    assert told["because"] == "it is next, and waits for nodes, cpus or memory to be free"
    assert told["may start"] == "2026-02-18T17:00:00+00:00"
    assert "because" not in dict(lines(Seen("13", "/jobs", {}, state="PENDING", reason="NewWord")))


def test_a_job_is_told_with_what_it_used_of_what_it_asked_for() -> None:
    used = Efficiency("13", max_rss=1 << 30, memory=1 << 32, advice=("mem=2G would do",))
    told = list(lines(Seen("13", "/jobs/train/1", METADATA, efficiency=used)))
    assert ("memory", "1G of 4G, 25 %") in told
    assert ("advice", "mem=2G would do") in told
    assert "cpu" not in dict(told)  # accounts do not tell


def test_little_is_told_of_what_has_noted_nothing() -> None:
    assert list(lines(Seen("13", "/jobs/train/1", {}, state="PENDING", reason="Priority"))) == [
        ("job", "13 None"),
        ("state", "PENDING (Priority)"),
        ("because", "jobs with a higher priority are before it"),
        ("directory", "/jobs/train/1"),
    ]


def test_jobs_and_arrays_are_found_by_id_and_by_directory(
    local: Cluster, local_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job, array = add(1, 2), add.map([(1, 2), (3, 4)])
    assert (job.get_result(60), array.get_results(60)) == (3, [3, 7])
    by_id = json.loads(show(capsys, local_base, job.id, "--json"))
    assert by_id == json.loads(show(capsys, local_base, job.job_dir, "--json"))
    assert (by_id["job_id"], by_id["task"], by_id["kind"]) == (job.id, "add", "job")
    assert (by_id["state"], by_id["packaging"], by_id["error"]) == ("COMPLETED", "none", None)
    assert by_id["options"]["job-name"] == "add"
    assert by_id["ended"] > by_id["submitted"]
    whole = json.loads(show(capsys, local_base, array.id, "--json"))
    assert whole == json.loads(show(capsys, local_base, array.job_dir, "--json"))
    assert (whole["kind"], whole["state"]) == ("array", "COMPLETED")
    assert whole["elements"] == {"count": 2, "states": {"COMPLETED": 2}}
    element = json.loads(show(capsys, local_base, f"{array.id}_1", "--json"))
    assert (element["job_id"], element["directory"]) == (array[1].id, array[1].job_dir)


def test_items_of_a_pack_are_told_one_by_one(
    local: Cluster, local_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    array = add.map([(1, 2), (3, None), (5, 6)], pack=2)
    array.wait(60)
    told = [json.loads(show(capsys, local_base, job.job_dir, "--json")) for job in array]
    assert [one["state"] for one in told] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert [one["job_id"] for one in told] == [job.id for job in array]
    assert {(one["task"], one["attempt"], one["packaging"]) for one in told} == {("add", 1, "none")}
    assert all(one["submitted"] < one["started"] <= one["ended"] for one in told)
    assert "TypeError" in told[1]["error"]


def test_a_job_that_failed_is_told_with_its_last_lines(
    local: Cluster, local_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = fail_without_stderr("other")
    assert isinstance(job.exception(60), ValueError)
    refused = show(capsys, local_base, f"{job.id}_7", status=2)
    assert f"job {job.id} is no array, and so has no task 7" in refused
    Path(job.stderr_path).write_text("".join(f"line {number} \x1b[31m\n" for number in range(30)))
    told = show(capsys, local_base, job.id).splitlines()
    assert any(line.startswith("state:") and "FAILED" in line for line in told)
    assert "error:       ValueError: the reason" in told
    assert any('raise ValueError("the reason")' in line for line in told)
    assert told[-1] == "             line 29 ?[31m"
    assert "line 14" not in "".join(told)


def test_what_is_not_there_is_said_in_one_line(
    local: Cluster, local_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"no job 987654 was submitted under {local_base}" in show(
        capsys, local_base, "987654", status=2
    )
    assert "there is no job in /nowhere" in show(capsys, local_base, "/nowhere", status=2)
    assert "is neither a job id nor a directory" in show(capsys, local_base, "train", status=2)
    Path(receipt_of_job(str(local_base), "87654")).parent.mkdir(exist_ok=True, mode=0o700)
    folder = local_base / "damaged"
    folder.mkdir()
    (folder / "metadata.json").write_text("{")
    assert "cannot be read as JSON" in show(capsys, local_base, str(folder), status=1)


def test_a_workflow_is_told_with_its_jobs_and_a_job_with_its_efficiency(
    local: Cluster, local_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workflow, job = without_context(1), add.with_options(mem="1G")(1, 2)
    assert (workflow.get_result(60), job.get_result(60)) == (2, 3)
    wait_until_ended(local, [workflow, job])
    told = show(capsys, local_base, workflow.id)
    assert re.search(r"^tree: +without_context .*\n +└── add .*COMPLETED", told, re.MULTILINE)
    told = show(capsys, local_base, job.id)
    assert re.search(r"^memory: +[0-9.]+M of 1G, [0-9]+ %$", told, re.MULTILINE)
    cluster = ["--backend", "local", "--job-base-dir", str(local_base)]
    assert cli.main(["jobs", "efficiency", job.id, *cluster]) == 0
    assert f"job:     {job.id} COMPLETED" in capsys.readouterr().out
    array = add.map([(1, 2), (3, 4)])
    wait_until_ended(local, array)
    assert cli.main(["jobs", "efficiency", array.id, "--json", *cluster]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [one["job_id"] for one in said["elements"]] == [array[0].id, array[1].id]
    assert said["max_rss"] == max(one["max_rss"] for one in said["elements"])
