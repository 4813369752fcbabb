"""Manifests as data: what they must be, and what changes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pytest

from slurm.runs.lifecycle import RunStatus, StatusError, SyncStatus
from slurm.runs.manifest import Manifest, ManifestError
from slurm.runs.moments import moment_of, run_id_at, text_of

STARTED = moment_of("2026-02-18T16:00:45Z")
LATER = moment_of("2026-02-18T18:30:00.250Z")
WRITTEN: Mapping[str, Any] = {
    "schema_version": "1.0",
    "run_id": "20260218T160045Z",
    "iteration_id": "iter1",
    "host_mode": "slurm",
    "status": "submitted",
    "job_id": "4711",
    "command": "sbatch run_slurm.sbatch",
    "resource_request": {"partition": "gpu"},
    "timestamps": {"started_at": "2026-02-18T16:00:45Z"},
    "artifact_sync_to_local": {"status": "pending"},
    "my own key": {"note": "of a person"},
}


def written(**changes: Any) -> bytes:
    content = {**WRITTEN, **changes}
    return json.dumps({key: value for key, value in content.items() if value is not ...}).encode()


def parsed(**changes: Any) -> Manifest:
    return Manifest.parse(written(**changes), "runs/1/run_manifest.json")


def moved(manifest: Manifest, status: RunStatus, **more: Any) -> Manifest:
    return manifest.moved(status, at=LATER, by="slurm run", why="the test says so", **more)


def test_a_manifest_is_read_and_written_with_every_key_that_nobody_here_knows() -> None:
    manifest = parsed()
    assert json.loads(manifest.dump()) == WRITTEN
    changed = json.loads(moved(manifest, RunStatus.RUNNING).dump())
    assert changed["my own key"] == WRITTEN["my own key"]
    assert list(changed)[: len(WRITTEN)] == list(WRITTEN)
    assert manifest.content == WRITTEN


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"schema_version": "2.0"}, "schema_version must be same as const definition: 1.0"),
        ({"run_id": ...}, "must contain .*'run_id'"),
        ({"run_id": "../1"}, "run_id must match pattern"),
        ({"iteration_id": "a | b"}, "iteration_id must match pattern"),
        ({"host_mode": "cloud"}, r"host_mode must be one of \['local', 'slurm'\]"),
        ({"status": "done"}, "status must be one of"),
        ({"command": ...}, "must contain .*'command'"),
        ({"resource_request": ...}, "must contain .*'resource_request'"),
        ({"timestamps": {}}, r"timestamps must contain \['started_at'\]"),
        (
            {"timestamps": {"started_at": "2026-02-18 16:00"}},
            "timestamps.started_at must be date-time",
        ),
        ({"artifact_sync_to_local": {}}, r"artifact_sync_to_local must contain \['status'\]"),
        (
            {"artifact_sync_to_local": {"status": "done"}},
            "artifact_sync_to_local.status must be one of",
        ),
        ({"job_id": "x"}, "job_id cannot be validated"),
        ({"job_id": ...}, "a slurm run that is submitted has a job_id"),
        ({"status": "completed"}, "a run that is completed has timestamps.completed_at"),
        (
            {"timestamps": {**WRITTEN["timestamps"], "completed_at": "2026-02-18T16:00:44Z"}},
            "completed_at is before timestamps.started_at",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(changes: Mapping[str, Any], problem: str) -> None:
    with pytest.raises(ManifestError, match=f"^runs/1/run_manifest.json: .*{problem}") as raised:
        parsed(**changes)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "it is no JSON (line 1, column 1: Expecting value)"),
        (b"[]", "it is no JSON object"),
        (b'{"a": 1', "it is no JSON (line 1, column 8: Expecting ',' delimiter)"),
        (b"\xff\xfe{}", "it is no UTF-8 text (invalid start byte)"),
        (b"[" * 100_000, "it is nested too deeply"),
    ],
)
def test_what_is_no_manifest_is_said(data: bytes, problem: str) -> None:
    with pytest.raises(ManifestError) as raised:
        Manifest.parse(data, "m.json")
    assert str(raised.value) == f"m.json: {problem}"


def test_a_person_may_set_the_status_to_failed_and_nothing_else() -> None:
    """As the cookbook says; a run that ended has an end."""
    seen = {"state": "RUNNING", "observed_at": "2026-02-18T16:30:00Z"}
    manifest = parsed(status="failed", scheduler=seen)
    assert manifest.content["timestamps"]["completed_at"] == "2026-02-18T16:30:00Z"
    assert manifest.content["history"][-1] == {
        "at": "2026-02-18T16:30:00Z",
        "from": "pending",
        "to": "failed",
        "by": "a person",
        "why": "its manifest was edited",
    }
    with pytest.raises(ManifestError, match=r"a run that is failed has timestamps.completed_at"):
        Manifest.checked({**WRITTEN, "status": "failed"}, "m.json")


@pytest.mark.parametrize(
    ("status", "needed"),
    [("submitted", False), ("running", False), ("synced", False), ("completed", True)],
)
def test_runs_that_ended_have_an_end_and_others_need_none(status: str, needed: bool) -> None:
    if needed:
        with pytest.raises(ManifestError, match=r"has timestamps.completed_at"):
            parsed(status=status)
    else:
        assert parsed(status=status).completed_at is None
    times = {**WRITTEN["timestamps"], "completed_at": "2026-02-18T18:30:00.250Z"}
    assert parsed(status=status, timestamps=times).completed_at == LATER


@pytest.mark.parametrize("word", ["ok", "completed", "success", "passed"])
def test_artifacts_are_here_in_all_words_for_it(word: str) -> None:
    assert parsed(artifact_sync_to_local={"status": word}).sync is SyncStatus.OK


def test_a_run_of_this_machine_needs_no_job() -> None:
    assert parsed(host_mode="local", job_id=...).job_id == ""


def test_a_job_id_may_be_a_number() -> None:
    assert parsed(job_id=4711).job_id == "4711"


def test_a_submission_that_was_given_up_has_no_job() -> None:
    times = {**WRITTEN["timestamps"], "completed_at": "2026-02-18T16:00:45Z"}
    given_up = parsed(
        status="failed", job_id=..., timestamps=times, submission={"outcome": "rejected"}
    )
    assert given_up.ended


def test_every_move_is_a_line_of_the_history() -> None:
    done = moved(parsed(), RunStatus.SYNCED)
    assert [(line["from"], line["to"]) for line in done.content["history"]] == [
        ("submitted", "running"),
        ("running", "synced"),
    ]
    assert {line["at"] for line in done.content["history"]} == {"2026-02-18T18:30:00.250Z"}
    assert moved(done, RunStatus.SYNCED) is done
    with pytest.raises(StatusError):
        moved(done, RunStatus.RUNNING)


@pytest.mark.parametrize(
    ("ended_at", "completed_at"),
    [
        (None, "2026-02-18T18:30:00.250Z"),
        ("2026-02-18T17:00:00Z", "2026-02-18T17:00:00Z"),
        ("2026-02-18T15:59:00Z", "2026-02-18T16:00:45Z"),  # the cluster's clock is late
    ],
)
def test_a_run_ends_when_its_job_did_and_never_before_it_began(
    ended_at: str | None, completed_at: str
) -> None:
    ended = moved(parsed(), RunStatus.FAILED, ended_at=moment_of(ended_at) if ended_at else None)
    assert ended.content["timestamps"]["completed_at"] == completed_at
    assert Manifest.parse(ended.dump(), "m.json").ended


def test_moments_are_written_in_utc() -> None:
    there = moment_of("2026-02-18T17:00:45+01:00")
    assert text_of(there) == "2026-02-18T16:00:45Z"
    assert run_id_at(there) == "20260218T160045Z"
    with pytest.raises(ValueError, match="no offset from UTC"):
        moment_of("2026-02-18T17:00:45")


@pytest.mark.parametrize("name", ["run_manifest", "metrics", "policy", "design"])
def test_the_schemas_come_with_the_package(name: str) -> None:
    schema = json.loads((files("slurm.runs") / f"{name}.schema.json").read_bytes())
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["description"]
