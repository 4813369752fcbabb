"""Completion in the shells that are installed here, with the line that the reference has for their start-up files."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.local

PAGE = Path(__file__).parents[3] / "docs/reference/command-line.md"
SHELLS = [name for name in ("bash", "zsh", "fish") if shutil.which(name)]
PATIENCE = 120.0


def line_for(shell: str) -> str:
    """What the reference has users put into the shell's start-up file."""
    [row] = [
        one for one in PAGE.read_text("utf-8").splitlines() if f"_SLURM_COMPLETE={shell}" in one
    ]
    return re.sub(r"\\(?=\|)", "", row.rpartition("`")[0].rpartition("`")[2])


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One in which there is a command ``slurm``, and nobody's own start-up files."""
    (command := tmp_path / "bin/slurm").parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m slurm.cli "$@"\n')
    command.chmod(0o755)
    return {
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HOME": str(tmp_path),
        "TERM": "dumb",
    }


def in_bash(words: str, environment: dict[str, str]) -> list[str]:
    """What bash, which sources its start-up file, completes the words to."""
    count = len(words.split(" ")) - 1
    script = (
        f"{line_for('bash')}\nCOMP_WORDS=({words or chr(39) * 2})\nCOMP_CWORD={count}\n"
        '_slurm_completion slurm\nprintf "%s\\n" "${COMPREPLY[@]}"'
    )
    return said(["bash", "--norc", "-c", script], environment)


def in_fish(words: str, environment: dict[str, str]) -> list[str]:
    script = f"{line_for('fish')}\ncomplete -C '{words}'"
    return [line.partition("\t")[0] for line in said(["fish", "-N", "-c", script], environment)]


def said(argv: list[str], environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        argv, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_and_options_are_completed(shell: str, environment: dict[str, str]) -> None:
    if shell == "zsh":
        complete_in_zsh(environment)
        return
    complete = in_bash if shell == "bash" else in_fish
    assert complete("slurm doc", environment) == ["doctor"]
    assert complete("slurm cluster pi", environment) == ["ping"]
    assert "--job" in complete("slurm doctor --jo", environment)
    assert complete("slurm doctor --backend ss", environment) == ["ssh"]


def complete_in_zsh(environment: dict[str, str]) -> None:
    """Type on a terminal, as zsh completes nowhere else."""
    reader, terminal = pty.openpty()
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"], env=environment, stdin=terminal, stdout=terminal, stderr=terminal,
        start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    try:
        os.write(reader, b"autoload -U compinit && compinit -D -u; ")
        os.write(reader, f"{line_for('zsh')}; print rea''dy\n".encode())
        until(reader, "ready")
        os.write(reader, b"slurm doc\t--jo\t")
        until(reader, "--job")
    finally:
        shell.kill()
        shell.wait()
        os.close(reader)


def until(terminal: int, words: str) -> None:
    """Read what a terminal shows until these words are in it."""
    seen = b""
    deadline = time.monotonic() + PATIENCE
    while words.encode() not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        assert ready, seen
        seen += os.read(terminal, 4096)
