"""Ends that only the scheduler saw are noted in the metadata files, so that these tell the truth."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.counted import assert_linear
from tests.helpers.fakes import FakeBackend, job_of, job_on, tracker_of
from tests.helpers.noted import array, job

from slurm import Cluster, Job
from slurm.agent.array_ends import ends_in
from slurm.api.slurm_cli import InProcessBackend
from slurm.errors import TransportError
from slurm.job_dir.paths import ArrayDirectory
from slurm.states import JobState
from slurm.tracking.end_notes import entries
from slurm.tracking.record import ArrayElement

DEADLINE = 60.0
NOW = "2025-03-01T12:00:00+00:00"


def element_on(cluster: Cluster, index: int) -> Job[Any]:
    where = ArrayDirectory("/jobs/9")
    path = where.element(f"{index:03}").path
    element = ArrayElement(index, where)
    made = job_of(
        cluster,
        f"9_{index}",
        task_name="count",
        job_dir=path,
        token=f"t_{index}",
        element=element,
    )
    cluster.operations.watch(made.records)
    return made


# --- what the tracker has noted ------------------------------------------------------------------


@pytest.mark.parametrize("state", ["TIMEOUT", "CANCELLED", "OUT_OF_MEMORY", "FAILED", "PREEMPTED"])
def test_an_end_by_the_schedulers_word_is_noted(
    state: str, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("1", state)
    assert job_on(fake_cluster, "1").wait(DEADLINE)
    backend.wait_until(lambda: bool(backend.ends))
    [end] = backend.ends
    assert end.pop("ended_at").startswith("20")
    assert end == {"path": "/jobs/1/metadata.json", "status": state.lower()}


def test_a_job_that_could_never_start_is_noted_as_cancelled(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("1", "PENDING", reason="DependencyNeverSatisfied")
    assert job_on(fake_cluster, "1").wait(DEADLINE)
    backend.wait_until(lambda: bool(backend.ends))
    assert backend.ends[0]["status"] == "cancelled"


def test_a_lost_job_is_noted_as_unknown(fake_cluster: Cluster, backend: FakeBackend) -> None:
    assert job_on(fake_cluster, "1").wait(DEADLINE)
    backend.wait_until(lambda: bool(backend.ends))
    assert backend.ends[0]["status"] == "unknown"


def test_what_the_runner_notes_itself_is_not_noted(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    for one in "123":
        backend.say(one, "RUNNING")
    good, bad, other = (job_on(fake_cluster, one) for one in "123")
    backend.finish(good, 5)
    backend.finish(bad, ValueError("bad"))
    backend.say("3", "COMPLETED")
    backend.say("4", "TIMEOUT")
    killed = job_on(fake_cluster, "4")
    assert all(one.wait(DEADLINE) for one in (good, bad, other, killed))
    backend.wait_until(lambda: bool(backend.ends))
    fake_cluster.close()
    assert [end["path"] for end in backend.ends] == ["/jobs/4/metadata.json"]


def test_elements_of_an_array_are_noted_together(
    patient_cluster: Cluster, backend: FakeBackend
) -> None:
    for index in range(6):
        backend.say(f"9_{index}", "TIMEOUT" if index == 4 else "CANCELLED")
    ended = [
        (element_on(patient_cluster, index), JobState(backend.said[f"9_{index}"].state))
        for index in range(6)
    ]
    where = {"path": "/jobs/9/array_metadata.json", "ended_at": NOW}
    assert entries(ended, NOW) == [
        {**where, "status": "cancelled", "items": "0-3,5"},
        {**where, "status": "timeout", "items": "4"},
    ]


def test_a_note_that_fails_is_told_to_nobody_but_a_debugger(
    fake_cluster: Cluster, backend: FakeBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "slurm")
    backend.note_error = TransportError("connection lost")
    backend.say("1", "TIMEOUT")
    assert job_on(fake_cluster, "1").wait(DEADLINE)
    backend.wait_until(lambda: bool(backend.ends))
    backend.say("2", "TIMEOUT")
    assert job_on(fake_cluster, "2").wait(DEADLINE)
    backend.wait_until(lambda: len(backend.ends) == 2)
    fake_cluster.close()
    told = [record for record in caplog.records if "noted" in record.getMessage()]
    assert {record.levelno for record in told} == {logging.DEBUG}


def test_closing_notes_what_there_was_no_time_for(
    fake_cluster: Cluster, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program whose job ran out of time ends at once: the exception leaves it, and so does it."""
    backend.say("1", "TIMEOUT")
    tracker = tracker_of(fake_cluster)
    write = tracker.notes.write
    monkeypatch.setattr(tracker.notes, "write", lambda: None)
    assert job_on(fake_cluster, "1").wait(DEADLINE)
    monkeypatch.setattr(tracker.notes, "write", write)
    fake_cluster.close()
    assert len(backend.ends) == 1


def test_who_writes_waits_for_a_note_under_way(
    fake_cluster: Cluster, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else closing would cut the connection over which it goes."""
    going, go_on = threading.Event(), threading.Event()
    note_ends = backend.note_ends

    def slow(ends: Any) -> None:
        going.set()
        assert go_on.wait(DEADLINE)
        note_ends(ends)

    monkeypatch.setattr(backend, "note_ends", slow)
    backend.say("1", "TIMEOUT")
    job_on(fake_cluster, "1")
    assert going.wait(DEADLINE)
    second = threading.Thread(target=tracker_of(fake_cluster).notes.write)
    second.start()
    second.join(0.05)
    assert second.is_alive()
    go_on.set()
    second.join(DEADLINE)
    assert len(backend.ends) == 1


# --- what becomes of a note ----------------------------------------------------------------------


@pytest.fixture
def metadata(tmp_path: Path) -> Path:
    path = tmp_path / "job" / "metadata.json"
    path.parent.mkdir()
    return path


def note(
    files: InProcessBackend, path: Path, status: str = "timeout", **more: str
) -> dict[str, Any]:
    files.note_ends([{"path": str(path), "status": status, "ended_at": NOW, **more}])
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content


@pytest.mark.parametrize("before", ["submitted", "running", "requeued"])
def test_a_note_says_how_a_job_ended(before: str, files: InProcessBackend, metadata: Path) -> None:
    metadata.write_text(json.dumps(job("1", status=before)))
    after = note(files, metadata)
    assert (after["status"], after["ended_at"]) == ("timeout", NOW)
    assert after["task_name"] == "train"


@pytest.mark.parametrize("before", ["completed", "failed", "cancelled"])
def test_what_a_job_said_itself_and_an_earlier_note_stay(
    before: str, files: InProcessBackend, metadata: Path
) -> None:
    metadata.write_text(json.dumps(job("1", status=before)))
    inode = metadata.stat().st_ino
    assert note(files, metadata)["status"] == before
    assert metadata.stat().st_ino == inode, "it is not written again"


@pytest.fixture
def array_metadata(tmp_path: Path) -> Path:
    path = tmp_path / "array" / "array_metadata.json"
    path.parent.mkdir()
    path.write_text(json.dumps(array("5", 900)))
    return path


def noted_beside(path: Path) -> list[tuple[str, str]]:
    content = path.with_name("ended.jsonl").read_bytes()
    return [(end["items"], end["status"]) for end in ends_in(content)]


def test_notes_on_items_are_added_to_a_file_beside_the_arrays(
    files: InProcessBackend, array_metadata: Path
) -> None:
    before = array_metadata.read_bytes()
    note(files, array_metadata, items="0-3")
    note(files, array_metadata, "cancelled", items="4")
    note(files, array_metadata, items="0-3")
    told = [("0-3", "timeout"), ("4", "cancelled"), ("0-3", "timeout")]
    assert noted_beside(array_metadata) == told, "they had been started again"
    assert array_metadata.read_bytes() == before


def test_a_note_that_was_cut_off_costs_no_other(
    files: InProcessBackend, array_metadata: Path
) -> None:
    note(files, array_metadata, items="0-3")
    ends = array_metadata.with_name("ended.jsonl")
    ends.write_bytes(ends.read_bytes() + b'{"items": "4", "sta')  # by a crash of the machine
    note(files, array_metadata, "cancelled", items="5")
    note(files, array_metadata, "failed", items="6")
    told = [("0-3", "timeout"), ("5", "cancelled"), ("6", "failed")]
    assert noted_beside(array_metadata) == told


def test_what_others_left_beside_an_arrays_file_is_not_taken_for_notes() -> None:
    """Nor is what is no text, or is nested without end."""
    lines = [b"[1]", b"null", b"\xff", b"[" * 100_000, b"", b'{"items": "1"}']
    assert ends_in(b"\n".join(lines)) == [{"items": "1"}]


def test_each_note_on_an_item_is_written_by_itself(
    files: InProcessBackend, array_metadata: Path
) -> None:
    """And not all of those before with it."""

    def noting(count: int) -> Callable[[], object]:
        ends = [
            {"path": str(array_metadata), "status": "timeout", "ended_at": NOW, "items": str(one)}
            for one in range(count)
        ]

        def write() -> None:
            for end in ends:
                files.note_ends([end])

        return write

    assert_linear(noting, 40)


def test_a_directory_that_was_removed_is_not_made_again(
    files: InProcessBackend, tmp_path: Path, metadata: Path
) -> None:
    metadata.write_text("{ damaged")
    there = {"status": "timeout", "ended_at": NOW}
    files.note_ends(
        [
            {"path": str(tmp_path / "gone" / "metadata.json"), **there},
            {"path": str(metadata), **there},
            {"path": str(tmp_path / "array_metadata.json"), "items": "1", **there},
        ]
    )
    assert not (tmp_path / "gone").exists()
    assert metadata.read_text() == "{ damaged"
    assert [name for name in os.listdir(tmp_path) if not name.startswith(".")] == ["job"]
