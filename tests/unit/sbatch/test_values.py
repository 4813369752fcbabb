"""What the text of an sbatch option means to those here who have to understand it."""

from __future__ import annotations

import signal

import pytest

from slurm.sbatch.options import InvalidOption, normalise
from slurm.sbatch.values import WarningSignal, parse_memory, parse_signal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("USR1", WarningSignal(signal.SIGUSR1, 60)),
        ("sigusr2@0", WarningSignal(signal.SIGUSR2, 0)),
        ("B:USR1@60", WarningSignal(signal.SIGUSR1, 60, batch=True)),
        ("b:10@65535", WarningSignal(10, 65535, batch=True)),
        ("R:TERM", WarningSignal(signal.SIGTERM, 60)),
        ("RB:TERM@5", WarningSignal(signal.SIGTERM, 5, batch=True)),
        ("64", WarningSignal(64)),
    ],
)
def test_a_warning_signal_is_spelled_as_sbatch_spells_it(
    text: str, expected: WarningSignal
) -> None:
    assert parse_signal(text) == expected
    assert normalise({"signal": text}) == {"signal": text}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "USR3",
        "USR",
        "B:",
        "X:USR1",
        "BUSR1",
        "USR1@",
        "USR1@-1",
        "USR1@1.5",
        "@60",
        "USR1@65536",
        "0",
        "65",
        "USR1 @60",
        "RTMIN",
        "SIGSIGUSR1",
    ],
)
def test_another_spelling_of_a_signal_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption, match="such as USR1, B:USR1 or B:USR1@120"):
        parse_signal(text)
    with pytest.raises(InvalidOption, match=r"option signal="):
        normalise({"signal": text})


@pytest.mark.parametrize(
    ("text", "megabytes"),
    [("0", 0), ("500", 500), ("1025K", 2), ("4g", 4096), ("4GB", 4096), ("2T", 2 << 20)],
)
def test_a_size_is_megabytes(text: str, megabytes: int) -> None:
    assert parse_memory(text) == megabytes


@pytest.mark.parametrize("text", ["", "G", "1.5G", "-1", "4X", "4 G", "4GiB"])
def test_another_spelling_of_a_size_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption, match="512M, 4G or 4GB"):
        parse_memory(text)
