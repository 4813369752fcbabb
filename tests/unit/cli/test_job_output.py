"""What jobs have printed: on a terminal without commands that could do harm, elsewhere as it was written."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.job_tasks import paint

from slurm import Cluster
from slurm.cli.job_output import TerminalText

PATIENCE = 120.0
# Hidden in a title; a screen that is cleared; a question that the terminal would answer; a byte that is no UTF-8.
HARMFUL = b"\x1b]0;title\x07\x1b[2J\x1b[6n\x05\xff"
SHOWN = "^[]0;title^G^[[2J^[[6n^E\N{REPLACEMENT CHARACTER}"
PAINTED = b"\x1b[31mred\x1b[0m 10 %\r\x1b[K20 %\tdone\n" + HARMFUL


def shown(*pieces: str) -> str:
    text = TerminalText()
    return "".join(map(text.take, pieces)) + text.end()


@pytest.mark.parametrize(
    "harmless",
    ["\x1b[1;38;5;9mred\x1b[0m", "1\r2\b3\t4\n", "\r\x1b[K", "\x1b[2K\x1b[m", "é \U0001f600"],
)
def test_colours_and_bars_of_progress_stay(harmless: str) -> None:
    assert shown(harmless) == harmless


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("\x1b]0;title\x07", "^[]0;title^G"),
        ("\x1b]52;c;cm0gLXJm\x1b\\", "^[]52;c;cm0gLXJm^[\\"),
        ("\x1b[2J\x1b[H", "^[[2J^[[H"),
        ("\x1b[c\x1b[6n\x1bZ\x05", "^[[c^[[6n^[Z^E"),
        ("\x1bc\x1b[1A\x1b[?25l", "^[c^[[1A^[[?25l"),
        ("\x9b2J\x90q", "\\x9b2J\\x90q"),
        ("\x00\x7f\x0e", "^@^?^N"),
        ("\x1b[31", "^[[31"),
        ("\x1b[>4;2m\x1b[?1m", "^[[>4;2m^[[?1m"),
    ],
)
def test_other_commands_are_text(command: str, text: str) -> None:
    assert shown(command) == text


def test_a_colour_ends_with_the_output() -> None:
    assert shown("\x1b[1;31mred") == "\x1b[1;31mred\x1b[0m"
    assert shown("\x1b[1;31mred\x1b[0;m") == "\x1b[1;31mred\x1b[0;m"


@given(st.text(alphabet="\x1b[]0;1mKJ\x07\x9b\r\n a", max_size=30), st.integers(0, 30))
def test_where_it_is_cut_into_pieces_changes_nothing(text: str, place: int) -> None:
    assert shown(text[:place], text[place:]) == shown(text)


def run(base: Path, *words: str) -> tuple[str, bytes]:
    """What a command prints on a terminal, and into a pipe."""
    argv = [sys.executable, "-m", "slurm.cli", *words, "--backend", "local", "--job-base-dir"]
    screen, terminal = pty.openpty()
    process = subprocess.Popen([*argv, str(base)], stdout=terminal, stderr=terminal)
    os.close(terminal)
    seen = b""
    deadline = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline:
            try:
                seen += os.read(screen, 4096) or b""
            except OSError:  # nobody has the terminal open any more
                break
    finally:
        process.kill()
        process.wait()
        os.close(screen)
    piped = subprocess.run([*argv, str(base)], stdout=subprocess.PIPE, check=True, timeout=PATIENCE)
    return seen.decode().replace("\r\n", "\n"), piped.stdout


def test_jobs_logs_is_safe_on_a_terminal_and_exact_in_a_pipe(
    local: Cluster, local_base: Path
) -> None:
    job = paint(PAINTED)
    array = paint.map([PAINTED]).submit()
    for one in (job, array):
        assert one.wait(PATIENCE)
    on_terminal, piped = run(local_base, "jobs", "logs", job.id)
    assert piped == PAINTED
    assert on_terminal == "\x1b[31mred\x1b[0m 10 %\r\x1b[K20 %\tdone\n" + SHOWN
    on_terminal, piped = run(local_base, "jobs", "logs", array.id, "--follow")
    assert piped == b"0| " + PAINTED.replace(b"\n", b"\n0| ") + b"\n"
    assert on_terminal == f"0| \x1b[31mred\x1b[0m 10 %\r0| \x1b[K20 %\tdone\n0| {SHOWN}\n"
