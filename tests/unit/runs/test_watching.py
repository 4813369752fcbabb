"""Runs that are watched: in a live table on a terminal, one table after the other elsewhere."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from tests.helpers.fakes import FakeBackend
from tests.helpers.run_manifests import manifest, written
from tests.helpers.run_project import Fixed, RunProject

from slurm import Cluster
from slurm.cli.runs.table import HEADERS, every, plain
from slurm.cli.runs.watching import watch
from slurm.errors import SchedulerUnreachable
from slurm.runs.advance import MONITORED, Advance
from slurm.runs.manifest import Manifest
from slurm.runs.moments import now
from slurm.runs.policy import load_policy
from slurm.runs.selection import select

pytestmark = pytest.mark.local

ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(*arguments: str, columns: int = 160) -> str:
    """What a user sees of ``slurm`` with these arguments, without colours and movements."""
    ours, its = pty.openpty()
    argv = [sys.executable, "-m", "slurm.cli", *arguments]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns), "LINES": "40"}
    with subprocess.Popen(argv, stdin=its, stdout=its, stderr=its, env=env) as program:
        os.close(its)
        said = b""
        with suppress(OSError):  # the terminal's other end is closed
            while chunk := os.read(ours, 65536):
                said += chunk
        os.close(ours)
        assert program.wait() in (0, 3), said
    return ESCAPES.sub(b"", said).decode()


@pytest.mark.parametrize("name", ["list", "monitor"])
def test_a_terminal_shows_a_live_table_until_all_have_ended(project: RunProject, name: str) -> None:
    run = project.launched()
    said = on_a_terminal("runs", name, "--watch", "--interval", "1")
    assert "1 run, every 1 s (Ctrl-C ends this, not the jobs)" in said
    last = said[said.rindex(run.run_id) :]
    assert last.split()[:4] == [run.run_id, "iter1", "1", "synced"]
    assert project.manifest.status == "synced"


def test_a_narrow_terminal_shows_fewer_columns_and_whole_words(project: RunProject) -> None:
    run = project.launched()
    said = on_a_terminal("runs", "list", "--watch", "--interval", "1", columns=80)
    last = said[said.rindex(run.run_id) :]
    assert last.split()[:5] == [run.run_id, "iter1", "1", "synced", "COMPLETED"]
    assert "METRICS" not in said


def test_what_is_watched_is_asked_for_once_an_interval(
    tmp_path: Path,
    fake_cluster: Cluster,
    backend: FakeBackend,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An interval in which the scheduler does not answer is one of many."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".slurm").mkdir()
    for number in range(3):
        written(tmp_path, run_id=f"run{number}", job_id=str(number + 1))
        backend.say(str(number + 1), "RUNNING")
    steps = iter(["RUNNING", None, "COMPLETED"])

    def runs() -> tuple[Manifest, ...]:
        step = next(steps)
        backend.query_error = None if step else SchedulerUnreachable("slurmctld is down")
        for job_id in ("1", "2", "3") if step else ():
            backend.say(job_id, step or "")
        return select().manifests

    advance = Advance(Fixed(fake_cluster), load_policy(), "slurm runs list", actions=MONITORED)
    watch(advance, runs, 0.01)
    assert backend.queries == [["1", "2", "3"]] * 3
    tables = capsys.readouterr().out
    assert [line.split()[0] for line in tables.splitlines() if "UTC: 3 runs" in line]
    assert "RUNNING" in tables
    assert "synced" in tables


def test_the_columns_fit_what_is_in_them() -> None:
    runs = [manifest(run_id=name) for name in ("a", "b" * 40)]
    header, first, second = plain(runs, now()).splitlines()
    at = header.index(HEADERS[1])
    assert first[at:].startswith("iter1")
    assert second[at:].startswith("iter1")


def test_intervals_do_not_pile_up() -> None:
    steps = every(0.001)
    assert [next(steps) for _ in range(3)] == [None] * 3


def test_that_nobody_answers_is_said_once(
    tmp_path: Path,
    fake_cluster: Cluster,
    backend: FakeBackend,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".slurm").mkdir()
    written(tmp_path)
    backend.say("4711", "RUNNING")
    advance = Advance(Fixed(fake_cluster), load_policy(), "slurm runs list", actions=MONITORED)
    answers = iter([True, False, False, True])

    def runs() -> tuple[Manifest, ...]:
        answered = next(answers, None)
        backend.query_error = None if answered else SchedulerUnreachable("slurmctld is down")
        if answered is None:
            raise KeyboardInterrupt
        return select().manifests

    with pytest.raises(KeyboardInterrupt):
        watch(advance, runs, 0.01)
    titles = [line for line in capsys.readouterr().out.splitlines() if "UTC: " in line]
    down = ["the scheduler does not answer: slurmctld is down" in line for line in titles]
    assert down == [False, True, False]
