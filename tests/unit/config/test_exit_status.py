"""The exit status of a program, by what went wrong and where."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable

import pytest

from slurm.config.command_line import exit_status
from slurm.errors import ConfigError, RemoteTraceback, SlurmError


def of_a_job(error: Exception) -> Exception:
    error.__cause__ = RemoteTraceback("Traceback: ...")
    return error


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (lambda: ConfigError("wrong"), 2),
        (lambda: of_a_job(ConfigError("wrong")), 1),
        (lambda: SlurmError("wrong"), 1),
        (lambda: of_a_job(LookupError("wrong")), 1),
        (KeyboardInterrupt, 130),
    ],
)
def test_two_says_that_nothing_was_submitted(
    make: Callable[[], BaseException], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def body() -> None:
        raise make()

    assert exit_status("program", body) == status
    assert capsys.readouterr().err.count("\n") == 1


def test_words_of_others_are_no_commands_for_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise SlurmError("no \x1b[31mfile\x9b2J \udce9\n\tin it")

    assert exit_status("program", fail) == 1
    assert capsys.readouterr().err == "program: no ?[31mfile?2J ?\n\tin it\n"


@pytest.mark.local
def test_a_full_disk_is_one_line() -> None:
    """On stdout, whether it is noticed at once or at the end; Python itself must not find it there again."""
    program = (
        "import sys; from slurm.config.command_line import exit_status\n"
        "sys.exit(exit_status('program', lambda: print('x' * int(sys.argv[1]))))"
    )
    for size in ("1", "100000"):
        with open("/dev/full", "w") as full:
            argv = [sys.executable, "-c", program, size]
            done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        said = "program: what it says cannot be written: No space left on device\n"
        assert (done.returncode, done.stderr) == (1, said)


def test_what_is_wrong_with_another_file_is_no_matter_of_stdout() -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/some/file")

    with pytest.raises(OSError, match="/some/file"):
        exit_status("program", fail)
