"""The job directory: names that stay inside it, and files everybody agrees on."""

from __future__ import annotations

import datetime
import json
import posixpath
import re
import time

import hypothesis
import hypothesis.strategies as st
import pytest

from slurm.job_dir.metadata import initial_metadata, utc_now
from slurm.job_dir.paths import JobDirectory, event_directory, event_name, parse_event, sanitise


@pytest.mark.parametrize(
    ("name", "component"),
    [
        ("train", "train"),
        ("Train Model!", "train_model_"),
        ("../../etc/passwd", "______etc_passwd"),
        ("..", "__"),
        ("", "_"),
        ("<lambda>", "_lambda_"),
        ("a/b\0c\n", "a_b_c_"),
        ("$(rm -rf ~)", "__rm__rf___"),
        ("Größe", "gr__e"),
    ],
)
def test_a_task_name_becomes_one_harmless_component(name: str, component: str) -> None:
    assert sanitise(name) == component


@hypothesis.given(st.text())
def test_no_task_name_leaves_the_base_directory(name: str) -> None:
    path = JobDirectory.fresh("/base/jobs", name).path
    assert posixpath.normpath(path) == path
    assert path.startswith("/base/jobs/")
    assert re.fullmatch(r"/base/jobs/[a-z0-9_]{1,100}/\d{8}_\d{6}_[0-9a-f]{8}", path)


def test_fresh_directories_differ_even_within_a_second() -> None:
    now = time.strptime("2025-03-01 12:00:05", "%Y-%m-%d %H:%M:%S")
    paths = {JobDirectory.fresh("/b", "t", now).path for _ in range(50)}
    assert len(paths) == 50
    assert all(path.startswith("/b/t/20250301_120005_") for path in paths)


def test_the_files_of_a_job_are_where_the_contract_says() -> None:
    job = JobDirectory("/b/t/1")
    assert (job.script, job.payload, job.result, job.metadata) == (
        "/b/t/1/job.sh",
        "/b/t/1/payload.pkl",
        "/b/t/1/result.pkl",
        "/b/t/1/metadata.json",
    )
    assert (job.environment, job.shared, job.tasks) == (
        "/b/t/1/.slurm_environment.json",
        "/b/t/1/shared",
        "/b/t/1/tasks",
    )
    assert (job.stdout(), job.stderr("7")) == ("/b/t/1/slurm_%j.out", "/b/t/1/slurm_7.err")
    assert event_directory("/b", "c0ffee") == "/b/.events/c0ffee"


@hypothesis.given(st.from_regex(r"[0-9a-z]{1,40}", fullmatch=True), st.integers(1), st.booleans())
def test_an_event_is_read_as_it_was_written(token: str, attempt: int, success: bool) -> None:
    assert parse_event(event_name(token, attempt, success)) == (token, success)


@pytest.mark.parametrize("name", ["", "x", "a.1", "a.1.ok.tmp", ".nfs0001", "a.1.maybe"])
def test_a_file_that_is_no_event_is_none(name: str) -> None:
    assert parse_event(name) is None


def test_metadata_before_submission_says_what_is_known() -> None:
    content = json.loads(
        initial_metadata(
            directory=JobDirectory("/b/t/20250301_120005_0a1b2c3d"),
            task_name="Train",
            token="aa",
            is_workflow=True,
            parent_workflow="5",
            dependencies=[{"job_id": "4", "type": "afterok"}],
            versions=("1.2", "3.12.1"),
            at=utc_now(),
        )
    )
    assert content.pop("timestamp")[:2] == "20"
    assert content == {
        "schema_version": 1,
        "job_id": None,
        "pre_submission_id": "20250301_120005_0a1b2c3d",
        "task_name": "Train",
        "status": "submitted",
        "is_workflow": True,
        "parent_workflow": "5",
        "token": "aa",
        "dependencies": [{"job_id": "4", "type": "afterok"}],
        "sdk_version": "1.2",
        "client_python": "3.12.1",
        "attempt": 0,
    }


def test_times_are_utc_and_say_so() -> None:
    moment = datetime.datetime.fromisoformat(utc_now())
    assert moment.utcoffset() == datetime.timedelta(0)
