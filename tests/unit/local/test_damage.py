"""The local scheduler with files that a crash, or somebody, has damaged: one job's trouble, never the scheduler's."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.damage import DAMAGE
from tests.helpers.local_site import Site, kill_daemon

from slurm.local.state import DamagedFile, StateDirectory, StateError

RIGHT: dict[str, dict[str, Any]] = {
    "json": {"environment": {"A": "b"}, "umask": 0o22},
    "pid": {"pid": 700, "supervisor": 699, "start": 5.0},
    "status": {"error": "", "cause": None, "end": 7.0, "wait": 0},
}


@pytest.mark.parametrize("kind", RIGHT)
def test_a_file_of_the_spool_is_whole_or_named(tmp_path: Path, kind: str) -> None:
    state = StateDirectory(str(tmp_path))
    path = tmp_path / "spool" / f"5.{kind}"
    path.parent.mkdir()
    said = {}
    for name, damage in DAMAGE.items():
        path.unlink(missing_ok=True)
        state.write_spooled(5, kind, RIGHT[kind])
        assert state.read_spooled(5, kind) == RIGHT[kind]
        damage(path)
        if name == "to nowhere":
            assert state.read_spooled(5, kind) is None
        else:
            with pytest.raises(DamagedFile) as caught:
                state.read_spooled(5, kind)
            said[name] = str(caught.value)
        state.forget_spooled(5)
        assert not os.path.lexists(path)
    assert all(str(path) in text and "\n" not in text for text in said.values()), said
    assert said["empty"] == said["zeros"] == f"{path} is damaged: it is empty"
    assert said["pipe"] == f"{path}: Not a regular file but a named pipe"


def test_a_status_that_is_still_blank_says_nothing(tmp_path: Path) -> None:
    state = StateDirectory(str(tmp_path))
    (tmp_path / "spool").mkdir()
    state.reserve_status(5)
    assert state.read_spooled(5, "status") is None


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site(max_cpus=100)


def spooled(site: Site, job_id: str, kind: str) -> Path:
    return site.state / "spool" / f"{job_id}.{kind}"


HOW = ["empty", "cut short", "deep", "other types", "directory", "pipe", "loop"]


def test_what_runs_goes_on_whatever_became_of_its_notes(site: Site) -> None:
    """It can be ended as well: the process that holds its pipe is found."""
    gate, held = site.gate(), site.gate()
    ids = [site.submit(f"printf x 9> '{held.path}' >&9; {gate.wait}; exit 3") for _ in HOW]
    held.await_held(len(ids))
    to_cancel = site.submit("sleep 300")
    site.running(to_cancel)
    wait_until(spooled(site, to_cancel, "pid").exists, "it has begun")
    kill_daemon(site)
    for job_id, how in zip(ids, HOW):
        DAMAGE[how](spooled(site, job_id, "pid"))
    DAMAGE["empty"](spooled(site, to_cancel, "pid"))
    assert {site.row(job_id)["state"] for job_id in ids} == {"RUNNING"}
    site.scheduler.cancel([to_cancel])
    assert site.end_of(to_cancel)["state"] == "CANCELLED"
    for _ in ids:
        gate.open()
    assert {site.end_of(job_id)["exit_code"] for job_id in ids} == {"3:0"}


def test_a_job_whose_end_cannot_be_read_ends_with_the_file_and_is_not_run_again(site: Site) -> None:
    gate = site.gate()
    ids = [site.submit(f"echo >> ran.$SLURM_JOB_ID; {gate.wait}", requeue="") for _ in HOW]
    other = site.submit("sleep 300")
    for job_id in (*ids, other):
        site.running(job_id)
    kill_daemon(site)
    for _ in ids:
        gate.open()
    for job_id, how in zip(ids, HOW):
        status = spooled(site, job_id, "status")
        wait_until(lambda file=status: file.read_bytes().strip(), "it has ended")  # type: ignore[misc]
        DAMAGE[how](status)
    rows = {how: site.end_of(job_id) for job_id, how in zip(ids, HOW) if how != "empty"}
    assert {row["state"] for row in rows.values()} == {"NODE_FAIL"}
    for how, row in rows.items():
        assert f"{row['job_id']}.status" in row["reason"], how
        assert (site.base / f"ran.{row['job_id']}").read_text() == "\n"
    again = ids[HOW.index("empty")]  # as a loss of power leaves it: it may not have ended
    site.await_job(again, lambda row: row["restarts"] == 1)
    site.scheduler.cancel([again])
    assert site.row(other)["state"] == "RUNNING"


def test_a_job_that_waits_without_its_environment_fails_and_names_the_file(site: Site) -> None:
    gate = site.gate()
    first = site.submit(gate.wait)
    ids = [site.submit("touch ran", after=f"afterok:{first}") for _ in HOW]
    last = site.submit("true", after=f"afterok:{first}")
    kill_daemon(site)
    for job_id, how in zip(ids, HOW):
        DAMAGE[how](spooled(site, job_id, "json"))
    gate.open()
    for job_id in ids:
        row = site.end_of(job_id)
        assert (row["state"], row["exit_code"]) == ("FAILED", "0:53")
        assert f"JobLaunchFailure: {spooled(site, job_id, 'json')}" in row["reason"]
    assert site.end_of(last)["state"] == "COMPLETED"
    assert not (site.base / "ran").exists()


def test_locks_that_were_cleared_away_are_nobodys_trouble(site: Site) -> None:
    gate = site.gate()
    job_id = site.submit(f"{gate.wait}; exit 3")
    site.running(job_id)
    kill_daemon(site)
    for lock in site.state.glob("*.lock"):
        lock.unlink()
    gate.open()
    assert site.end_of(job_id)["exit_code"] == "3:0"


def test_a_directory_with_other_things_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(StateError, match=f"{tmp_path} has other things in it"):
        StateDirectory(str(tmp_path)).prepare()
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_job_whose_pipe_was_taken_is_ended_before_anything_else(site: Site) -> None:
    """Nobody can tell that its supervisor lives: it must not run beside a second attempt."""
    held = site.gate()
    first = f'[ "$SLURM_RESTART_COUNT" ] || {{ {held.hold}; sleep 300; }}'
    ids = [site.submit(first, requeue="") for _ in HOW]
    held.await_held(len(ids))
    kill_daemon(site)
    for job_id, how in zip(ids, HOW):
        pipe = spooled(site, job_id, "alive")
        DAMAGE["empty" if how == "cut short" else how](pipe)
        if how == "pipe":
            pipe.unlink()
    for job_id in ids:
        assert site.end_of(job_id)["restarts"] == 1
    assert held.nobody_holds()


def test_a_damaged_line_of_the_journal_is_the_trouble_of_its_job(site: Site) -> None:
    gate = site.gate()
    ended = site.submit("exit 4")
    site.end_of(ended)
    running, lost = (
        site.submit(f"{gate.wait}; exit 5"),
        site.submit("echo >> ran; true", requeue=""),
    )
    site.running(running)
    site.end_of(lost)
    dependent = site.submit("true", after=f"afterany:{running}:{lost}")
    array = site.submit("true", array="0-1")
    site.end_of(array)
    kill_daemon(site)
    journal = site.state / "journal.jsonl"
    lines = journal.read_bytes().splitlines()
    damaged = [
        line[:12] + b"\xff" + line[20:] if b'"COMPLETED"' in line and _is_of(line, lost) else line
        for line in lines
    ]
    assert damaged != lines
    journal.write_bytes(b"\n".join(damaged) + b"\n")
    row = site.end_of(lost)
    assert (row["state"], row["restarts"]) == ("NODE_FAIL", 0)
    assert "journal.jsonl, line" in row["reason"]
    assert site.row(ended)["exit_code"] == "4:0"
    assert site.row(f"{array}_1")["state"] == "COMPLETED"
    gate.open()
    assert site.end_of(running)["exit_code"] == "5:0"
    assert site.end_of(dependent)["state"] == "COMPLETED"
    assert (site.base / "ran").read_text() == "\n"
    [aside] = site.state.glob("journal.jsonl.damaged-*")
    assert b"\xff" in aside.read_bytes()


def _is_of(line: bytes, job_id: str) -> bool:
    return line.startswith(b'{"job":%s,' % job_id.encode())


@pytest.mark.parametrize("how", ["binary", "pipe"])
def test_a_journal_that_is_lost_takes_no_live_job_with_it(site: Site, how: str) -> None:
    gate = site.gate()
    ended = site.submit("true")
    site.end_of(ended)
    running = site.submit(f"{gate.wait}; exit 5", token="again")
    waiting = site.submit("exit 6", after=f"afterany:{running}")
    site.running(running)
    kill_daemon(site)
    DAMAGE[how](site.state / "journal.jsonl")
    assert site.row(running)["state"] == "RUNNING"
    assert site.scheduler.find_submission("again") == running
    assert int(site.submit("true")) > int(waiting), "no id is given twice"
    gate.open()
    assert site.end_of(running)["exit_code"] == "5:0"
    assert site.end_of(waiting)["exit_code"] == "6:0"
    assert not site.scheduler.query([ended])


def test_a_later_version_is_not_damage(site: Site) -> None:
    site.end_of(site.submit("true"))
    site.scheduler.shutdown()
    journal = site.state / "journal.jsonl"
    journal.write_text('{"format": 99}\n')
    with pytest.raises(Exception, match=r"journal\.jsonl, line 1: format 99.* newer"):
        site.scheduler.info()
    journal.unlink()


def test_what_is_no_job_s_is_made_anew(site: Site) -> None:
    first = site.submit("true")
    site.end_of(first)
    hows = ["directory", "pipe", "loop", "to nowhere", "binary"]
    for turn in range(3):
        site.scheduler.shutdown()
        names = ("daemon.lock", "start.lock", "daemon.log", "scheduler.sock", "ids")
        for name, how in zip(names, hows[turn:] + hows[:turn]):
            DAMAGE[how](site.state / name)
        assert site.row(first)["state"] == "COMPLETED"
    assert site.end_of(site.submit("true"))["state"] == "COMPLETED"


def test_what_is_killed_before_the_journal_knows_of_it_never_begins(site: Site) -> None:
    """A status that the supervisor leaves then puts the job back as it was."""
    gate = site.gate()
    running = site.submit(gate.wait)
    site.running(running)
    waiting = site.submit("echo >> ran", after=f"afterany:{running}")
    kill_daemon(site)
    gate.open()
    status = spooled(site, running, "status")
    wait_until(lambda: status.read_bytes().strip(), "it has ended")
    said = {**json.loads(status.read_bytes()), "cause": "unreleased"}
    status.write_bytes(json.dumps(said).encode())
    spooled(site, running, "pid").unlink()
    site.running(running)  # begun for the first time, as far as anybody knows
    assert site.row(running)["restarts"] == 0
    gate.open()
    assert site.end_of(running)["state"] == "COMPLETED"
    assert site.end_of(waiting)["state"] == "COMPLETED"
