"""From a draft to requests is pure: no clock, no chance, no file; the same draft makes the same requests."""

from __future__ import annotations

import builtins
import os
import subprocess
import time
from dataclasses import replace
from typing import Any

import pytest

from slurm.job_dir.paths import JobDirectory
from slurm.rendering import Environment
from slurm.sbatch.array_layout import ArrayLayout
from slurm.sbatch.dependency import DependencyClause
from slurm.submit.prepare import Draft, prepare, prepare_array

DRAFT = Draft(
    name="train",
    token="c0ffee",
    options={"mem": "2G", "requeue": "3", "comment": "mine"},
    site_options={"account": "ours", "time": "30"},
    directory=JobDirectory("/jobs/train/20250301_120005_0a1b2c3d"),
    environment=Environment(["python3"]),
    files={"payload.pkl": b"pickled"},
    sdk_directory="/jobs/.sdk/0a1b2c3d",
    event_dir="/jobs/.events/me",
    at="2025-03-01T12:00:05.000+00:00",
    clauses=(
        DependencyClause("afterok", ("7", "8")),
        DependencyClause("afterany", ("6",), done=frozenset({"6"})),
    ),
)


@pytest.fixture(autouse=True)
def no_effects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever has an effect, or is another one every time, fails."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("this is not pure")

    for owner, name in (
        (builtins, "open"),
        (os, "open"),
        (os, "urandom"),
        (time, "time"),
        (time, "monotonic"),
        (subprocess, "Popen"),
    ):
        monkeypatch.setattr(owner, name, refuse)


def test_the_same_draft_makes_the_same_request() -> None:
    assert prepare(DRAFT) == prepare(DRAFT)


def test_the_same_draft_makes_the_same_array() -> None:
    layout = ArrayLayout(2500, largest=1001)
    assert prepare_array(DRAFT, layout) == prepare_array(DRAFT, layout)
    assert len(prepare_array(DRAFT, layout)) == 3


def test_options_come_from_the_task_then_the_site_then_the_sdk() -> None:
    options = prepare(DRAFT).options
    assert (options["mem"], options["time"], options["nodes"]) == ("2G", "30", "1")
    assert (options["account"], options["requeue"]) == ("ours", "")


def test_what_counts_no_more_is_noted_and_not_asked_for() -> None:
    request = prepare(DRAFT)
    assert request.submit_options["dependency"] == "afterok:7:8"
    assert b'"job_id": "6"' in request.files["metadata.json"]


def test_the_token_stands_before_the_users_comment() -> None:
    assert prepare(DRAFT).submit_options["comment"] == "c0ffee mine"
    alone = replace(DRAFT, options={})
    assert prepare(alone).submit_options["comment"] == "c0ffee"
