"""``slurm dash``: what it says where it cannot show anything, and what it hands on to the pages of a browser."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from slurm import cli


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line with which the command refuses these arguments."""
    assert cli.main(["dash", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    [line] = said.err.splitlines()
    assert line.startswith("slurm dash: ")
    return line


def test_without_textual_it_says_which_extra_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install 'slurm-tasks[dash]'" in refused(capsys, "--backend", "local")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "needs a terminal: --web shows it in a browser"),
        (["--since", "soon"], "soon"),
        (["--web-port", "8000"], "give both"),
        (["--web", "--web-port", "65536"], "65536"),
    ],
)
def test_what_is_wrong_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], message: str
) -> None:
    cluster = ["--backend", "local", "--job-base-dir", str(tmp_path)]
    assert message in refused(capsys, *arguments, *cluster)


def test_a_page_shows_the_same_cluster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    served = []
    monkeypatch.setattr("slurm.dash.web.serve", lambda *about: served.append(about))
    cluster = ["--backend", "local", "--job-base-dir", str(tmp_path / "it's $(mine)")]
    assert cli.main(["dash", "--web", "--web-port", "8000", "--since", "7d", *cluster]) == 0
    [(command, port, tell)] = served
    assert command == [sys.executable, "-m", "slurm.cli", "dash", "--since", "7d", *cluster]
    assert port == 8000
    tell("http://127.0.0.1:8000/secret/")
    assert capsys.readouterr().out.count("http://127.0.0.1:8000/secret/") == 1
