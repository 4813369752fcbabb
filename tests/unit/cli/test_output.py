"""What becomes of output that nobody reads, that cannot be written, or that goes nowhere; in every command."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import TextIO

import click
import pytest

from slurm import cli
from slurm.cli.commands import root
from slurm.cli.output import finding_in_words
from slurm.config.command_line import exit_status
from slurm.config.findings import Finding, Verdict


def every(group: click.Group, *before: str) -> Iterator[tuple[str, ...]]:
    """The words of each command, those below it included."""
    with click.Context(group) as ctx:
        for name in group.list_commands(ctx):
            yield (*before, name)
            found = group.get_command(ctx, name)
            if isinstance(found, click.Group):
                yield from every(found, *before, name)


COMMANDS = [(), *every(root())]


@pytest.fixture(params=["buffered", "unbuffered"])
def full(request: pytest.FixtureRequest) -> Iterator[TextIO]:
    """A file on a disk that is full."""
    stream = open("/dev/full", "w", buffering=1 if request.param == "unbuffered" else -1)  # noqa: SIM115
    yield stream
    stream.close()


@pytest.fixture
def unread() -> Iterator[TextIO]:
    """A pipe whose reader has gone away."""
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")
    yield stream
    stream.close()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_full_disk_is_one_line(
    words: tuple[str, ...], full: TextIO, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "stdout", full)
    assert cli.main([*words, "--help"]) == 1
    name = " ".join(["slurm", *words])
    said = "what it says cannot be written: No space left on device"
    assert capsys.readouterr().err == f"{name}: {said}\n"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_reader_that_goes_away_is_no_error(
    words: tuple[str, ...], unread: TextIO, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "stdout", unread)
    assert cli.main([*words, "--help"]) == 0
    assert capsys.readouterr().err == ""


def test_an_error_that_nobody_can_read_keeps_its_status(
    full: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", full)
    assert cli.main(["tree", "nowhere"]) == 2


def test_an_error_beside_lost_output_keeps_its_status(
    full: TextIO, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def body() -> None:
        print("begun", end="")
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdout", full)
    assert exit_status("it", body) == 130
    assert "it: interrupted" in capsys.readouterr().err


@pytest.mark.local
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">/dev/full", "2>/dev/full", "| head -c0"])
def test_a_program_ends_well_whatever_its_output_is(closed: str) -> None:
    python = f"PYTHONPATH={os.pathsep.join(sys.path)!r} {sys.executable} -m slurm.cli"
    for words in ("--help", "tree --help", "tree nowhere", "config show --backend local"):
        script = f"set -o pipefail; {python} {words} {closed}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1, 2), done.stderr
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr


# --- colours -------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "variables", "coloured"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),  # as https://no-color.org says
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colours_are_for_terminals_and_whoever_wants_them(
    stream: TextIO, variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", stream)
    said = finding_in_words(Finding("clock", Verdict.FAIL, "it is \x1b[1m wrong"))
    assert click.unstyle(said) == "FAIL clock: it is ?[1m wrong"
    assert ("\x1b[31m" in said) is coloured
