"""``slurm jobs wait --notify`` on this machine's own scheduler, and how a list is shown on a terminal."""

from __future__ import annotations

import shlex
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
    assert cli.main(["jobs", "wait", good.id, *cluster]) == 1
    assert "slurm jobs wait: no-such-program cannot be run" in capsys.readouterr().err


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
