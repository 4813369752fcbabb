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
from slurm.job_dir.paths import (
    JobDirectory,
    directory_name,
    event_directory,
    event_name,
    parse_event,
)


@pytest.mark.parametrize(
    ("name", "component"),
    [
        ("train", "train"),
        ("Train Model!", r"train_model_-[0-9a-f]{8}"),
        ("../../etc/passwd", r"______etc_passwd-[0-9a-f]{8}"),
        ("..", r"__-[0-9a-f]{8}"),
        ("", r"_-[0-9a-f]{8}"),
        ("<lambda>", r"_lambda_-[0-9a-f]{8}"),
        ("a/b\0c\n", r"a_b_c_-[0-9a-f]{8}"),
        ("$(rm -rf ~)", r"__rm__rf___-[0-9a-f]{8}"),
        ("Größe", r"gr__e-[0-9a-f]{8}"),
        ("\udcff", r"_-[0-9a-f]{8}"),
    ],
)
def test_a_task_name_becomes_one_harmless_component(name: str, component: str) -> None:
    assert re.fullmatch(component, directory_name(name))


@hypothesis.given(st.text())
def test_no_task_name_leaves_the_base_directory(name: str) -> None:
    path = JobDirectory.fresh("/base/jobs", name, 0.0).path
    assert posixpath.normpath(path) == path
    assert re.fullmatch(
        r"/base/jobs/(?=[^/]{1,100}/)[a-z0-9_]+(-[0-9a-f]{8})?/19700101_000000_[0-9a-f]{8}", path
    )


LONG = "n" * 300
ALIKE = [
    ("训练", "评估"),
    ("Fit", "fit"),
    ("FIT", "Fit"),
    ("my.task", "my_task"),
    ("my-task", "my.task"),
    ("Ünï", "U\u0308ni\u0308"),
    (LONG + "a", LONG + "b"),
    (LONG, LONG[:100]),
    ("", "_"),
    ("İ", "i̇"),
    ("K", "\u212a"),
]


@pytest.mark.parametrize(("name", "other"), ALIKE)
def test_two_task_names_never_share_a_directory(name: str, other: str) -> None:
    """Nor on a file system that does not tell case, or composed characters, apart: both are plain lowercase."""
    names = [directory_name(name), directory_name(other)]
    assert len({one.lower() for one in names}) == 2
    assert directory_name(name) == names[0]
    assert all(one.isascii() and one == one.lower() for one in names)


@hypothesis.given(st.text(max_size=8), st.text(max_size=8))
def test_names_of_directories_differ_where_names_do(name: str, other: str) -> None:
    assert (directory_name(name) == directory_name(other)) == (name == other)


def test_a_name_made_with_a_hash_is_no_other_tasks_own() -> None:
    """A task may be called what another one's directory looks like."""
    taken = directory_name("Fit")
    for name in (taken, taken.replace("-", "_")):
        assert directory_name(name) != taken


def test_fresh_directories_differ_even_within_a_second() -> None:
    paths = {JobDirectory.fresh("/b", "t", 1740830405.9).path for _ in range(50)}
    assert len(paths) == 50
    assert all(path.startswith("/b/t/20250301_120005_") for path in paths)


def test_directories_are_named_by_the_time_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Local time would sort wrongly when summer ends."""
    for zone in ("CEST-2", "CET-1", "EST5"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert JobDirectory.fresh("/b", "t", 1740830405).path.startswith("/b/t/20250301_120005_")
    monkeypatch.undo()
    time.tzset()


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
