"""``slurm jobs wait --notify`` on this machine's own scheduler, and how a list is shown on a terminal."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.helpers.job_tasks import add, fail_without_stderr

from slurm import Cluster, cli
from slurm.cli.jobs import tables
from slurm.job_list import ListedJob
from slurm.states import JobState


def test_somebody_is_told_how_the_jobs_ended(
    local: Cluster,
    local_base: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = tmp_path / "told"
    cluster = ["--backend", "local", "--job-base-dir", str(local_base)]
    good, bad = add(1, 2), fail_without_stderr("other")
    notify = shlex.join(["tee", "-a", str(told)])
    assert cli.main(["jobs", "wait", good.id, "--notify", notify, *cluster]) == 0
    monkeypatch.setenv("SLURM_NOTIFY", notify)
    assert cli.main(["jobs", "wait", bad.id, *cluster]) == 4
    lines = [f"{good.id} add COMPLETED", f"{bad.id} fail_without_stderr FAILED"]
    assert told.read_text().splitlines() == lines
    assert capsys.readouterr().out.splitlines() == lines
    monkeypatch.setenv("SLURM_NOTIFY", "no-such-program {}")
    assert cli.main(["jobs", "wait", good.id, *cluster]) == 2
    assert "slurm jobs wait: there is no program no-such-program here" in capsys.readouterr().err


def test_a_job_that_has_ended_is_known_without_waiting(
    local: Cluster, local_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = ["--backend", "local", "--job-base-dir", str(local_base)]
    good, bad = add(1, 2), fail_without_stderr("other")
    assert (good.wait(60), bad.wait(60)) == (True, True)
    assert cli.main(["jobs", "wait", good.id, "--timeout", "0s", *cluster]) == 0
    assert cli.main(["jobs", "wait", good.id, bad.id, "--timeout", "0s", *cluster]) == 4


def test_a_reader_that_went_away_does_not_change_the_status(
    local: Cluster, local_base: Path
) -> None:
    bad = fail_without_stderr("other")
    words = ["jobs", "wait", bad.id, "--backend", "local", "--job-base-dir", str(local_base)]
    reads, writes = os.pipe()
    os.close(reads)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "slurm.cli", *words],
            stdout=writes,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
    finally:
        os.close(writes)
    assert (done.returncode, done.stderr) == (4, b"")


@pytest.mark.parametrize(("terminal", "no_color"), [(True, False), (True, True), (False, False)])
def test_a_list_has_colours_on_a_terminal_alone(
    terminal: bool,
    no_color: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    job = ListedJob("12", "evil\x1b[31m", ours=True, state=JobState.FAILED)
    tables.in_table([job], 0.0, 80)
    said = capsys.readouterr().out
    assert ("\x1b[" in said) is (terminal and not no_color)
    assert "evil?[31m" in said
