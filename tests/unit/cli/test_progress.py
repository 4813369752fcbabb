"""How far files are, on a terminal: one bar, which is gone when they are here."""

from __future__ import annotations

import io
import sys

import pytest

from slurm.cli.progress import transfers


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_one_bar_for_all_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with transfers() as progress:
        assert progress is not None
        for number in range(300):
            progress(f"deep/file-{number}\n", number, 300)
        progress("deep/[red]last", 300, 300)
        progress("again", 0, 0)
    said = terminal.getvalue()
    assert "\n\n" not in said
    assert said.count("\n") < 30


def test_without_a_terminal_there_is_none() -> None:
    with transfers() as progress:
        assert progress is None
