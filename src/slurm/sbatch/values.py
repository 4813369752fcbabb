"""What the text of an sbatch option means, for those that somebody here has to understand. Pure."""

from __future__ import annotations

import re
import signal
from typing import NamedTuple

from slurm.sbatch.grammar import problem_of_signal
from slurm.sbatch.options import SIZE, SIZE_ADVICE, InvalidOption

KILOBYTES = {"K": 1, "M": 1 << 10, "G": 1 << 20, "T": 1 << 30}


class WarningSignal(NamedTuple):
    """What ``--signal`` asks for: a signal `seconds` before the time limit.

    With `batch` it is for the batch script alone, else for all its descendants but not for itself.
    """

    number: int
    seconds: int = 60
    batch: bool = False


def parse_signal(text: str) -> WarningSignal:
    """The meaning of sbatch's ``--signal``, with the signal's number on this machine.

    >>> parse_signal("B:TERM@120")
    WarningSignal(number=15, seconds=120, batch=True)

    Raises `InvalidOption`.
    """
    problem = problem_of_signal(text)
    if problem:
        raise InvalidOption(problem)
    flags, _, rest = text.upper().rpartition(":")
    name, _, seconds = rest.partition("@")
    name = name if name.isdigit() or name.startswith("SIG") else f"SIG{name}"
    number = int(name) if name.isdigit() else int(getattr(signal, name))
    return WarningSignal(number, int(seconds or "60"), "B" in flags)


def parse_memory(text: str) -> int:
    """The megabytes of a size as ``--mem`` spells it, rounded up.

    >>> parse_memory("2G"), parse_memory("500"), parse_memory("1K")
    (2048, 500, 1)

    Raises `InvalidOption`.
    """
    if not re.fullmatch(SIZE, text):
        raise InvalidOption(SIZE_ADVICE)
    digits = text.upper().rstrip("B").rstrip("KMGT")
    unit = text.upper()[len(digits) :][:1] or "M"
    return -(-int(digits) * KILOBYTES[unit] // KILOBYTES["M"])
